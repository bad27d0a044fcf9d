// OpenWhisk's contract with a JavaScript action, where Lambda has a handler.

import { existsSync, readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { format } from "node:util";
import vm from "node:vm";

const MARK = "\x1e"; // begins a line of standard error, so that the log tells the two streams apart
const STREAMS = { log: "", info: "", debug: "", error: MARK, warn: MARK, trace: MARK };

/** What ends an activation as a developer error. */
class ActionError extends Error {
  constructor(message) {
    super(message);
    this.name = "Whisk.ActionError";
  }
}

export async function loadAction(root) {
  for (const [method, mark] of Object.entries(STREAMS)) {
    console[method] = (...values) => print(mark, format(...values));
  }
  process.chdir(root);
  process.env.__OW_API_HOST = process.env.AWS_ENDPOINT_URL ?? "";
  let main;
  try {
    main = await find(root, process.env.LAMBENT_ACTION_MAIN);
  } catch (error) {
    console.error(error);
    if (error instanceof ActionError) throw error;
    throw new ActionError(`Initialization has failed due to: ${error}`);
  }
  return (event, context) => run(main, event, context);
}

async function run(main, event, context) {
  tell(context);
  let running;
  try {
    running = main(event);
  } catch (error) {
    console.error(error);
    throw new ActionError(`An error has occurred: ${error}`);
  }
  try {
    const answer = await running;
    return answer === undefined ? {} : answer;
  } catch (error) {
    return { error: serialise(error) };
  }
}

/** What differs from run to run. */
function tell(context) {
  process.env.__OW_ACTIVATION_ID = context.awsRequestId.replaceAll("-", "");
  process.env.__OW_DEADLINE = String(Date.now() + context.getRemainingTimeInMillis());
  for (const [key, value] of Object.entries(context.clientContext?.custom ?? {})) {
    process.env[`__OW_${key.toUpperCase()}`] = value;
  }
}

function serialise(error) {
  if (!(error instanceof Error)) return error ?? {};
  return { ...error, name: error.name, message: error.message, stack: error.stack };
}

/** The entry function: of a package what its module exports, of a single source a name in its scope. */
async function find(root, name) {
  const source = path.join(root, "index.js");
  const isPackage = existsSync(path.join(root, "package.json"));
  if (!isPackage && !existsSync(source)) {
    throw new ActionError("Zipped actions must contain either package.json or index.js at the root.");
  }
  if (process.env.LAMBENT_ACTION_INLINE) return inline(readFileSync(source, "utf8"), root, name);
  const [file, own] = name.includes(".") ? name.split(".") : [undefined, name];
  const require = createRequire(path.join(root, "/"));
  const exported = await load(require, file ? path.join(root, file) : root);
  return callable(exported?.[own], name);
}

async function load(require, place) {
  try {
    return require(place);
  } catch (error) {
    if (error?.code !== "ERR_REQUIRE_ESM") throw error;
    return import(require.resolve(place));
  }
}

/** Evaluated in the scope of a function, as OpenWhisk does; what is exported counts when nothing is named so. */
function inline(code, root, name) {
  const known = /^[A-Za-z_$][\w$]*$/.test(name) ? `typeof ${name} === "function" ? ${name} : ` : "";
  const text = `(function (exports, require, module, __filename, __dirname) {${code}
; return ${known}(module.exports.${name} ?? exports.${name}); })`;
  const module = { exports: {} };
  const made = vm.runInThisContext(text, { filename: "index.js" });
  const require = createRequire(path.join(root, "/"));
  return callable(made(module.exports, require, module, path.join(root, "index.js"), root), name);
}

function callable(found, name) {
  if (typeof found !== "function") throw new ActionError(`Action entrypoint '${name}' is not a function.`);
  return found;
}

function print(mark, text) {
  const data = Buffer.from(text.split("\n").map((line) => `${mark}${line}\n`).join(""));
  let written = 0;
  while (written < data.length) {
    try {
      written += writeSync(1, data, written);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error; // else the pipe is full: wait for its reader
    }
  }
}
