// Finds and loads the handler: module.function, with folders before and nested exports behind.

import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import {
  HandlerNotFound,
  ImportModuleError,
  MalformedHandlerName,
  UserCodeSyntaxError,
} from "./errors.mjs";

const FORM = /^(?<module>[^.]+)\.(?<names>.+)$/;

export async function loadHandler(root, name) {
  if (name.includes("..")) throw new MalformedHandlerName(`'${name}' is not a valid handler name`);
  const found = FORM.exec(path.basename(name));
  if (!found) throw new MalformedHandlerName("Bad handler");
  const { module, names } = found.groups;
  const place = path.join(root, path.dirname(name), module);
  let exported = await load(root, place);
  for (const part of names.split(".")) exported = exported?.[part];
  if (exported === undefined) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof exported !== "function") throw new HandlerNotFound(`${name} is not a function`);
  return exported;
}

async function load(root, place) {
  try {
    return await loadFile(root, place);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error, { cause: error });
    if (["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(error?.code)) {
      throw new ImportModuleError(error, { cause: error });
    }
    throw error;
  }
}

async function loadFile(root, place) {
  const require = createRequire(path.join(root, "/"));
  const file = [".js", ".mjs", ".cjs", ""].map((end) => place + end).find(isFile);
  if (file === undefined) return require(place); // a folder with an index, or AWS's own error
  if (file.endsWith(".mjs") || (!file.endsWith(".cjs") && isModule(file))) {
    return import(pathToFileURL(file).href);
  }
  return require(file);
}

function isFile(file) {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Whether the nearest package.json says that .js files are modules. */
function isModule(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const description = path.join(folder, "package.json");
    if (existsSync(description)) return JSON.parse(readFileSync(description)).type === "module";
    if (folder === path.dirname(folder)) return false;
  }
}
