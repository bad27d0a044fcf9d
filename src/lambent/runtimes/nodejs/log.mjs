// console.* writes lines with time, request id and level, one line for each call.

import { writeSync } from "node:fs";
import { format } from "node:util";
import { describe, describeForLog } from "./errors.mjs";

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const METHODS = { trace: 0, debug: 1, log: 2, info: 2, warn: 3, error: 4, fatal: 5 };
const asJson = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const lowest = asJson ? Math.max(0, LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL ?? "TRACE")) : 0;

let requestId;
let tenantId;

export function setRequestId(id, tenant) {
  requestId = id;
  tenantId = tenant;
}

export function patchConsole() {
  for (const [method, level] of Object.entries(METHODS)) {
    console[method] = level < lowest ? () => {} : (...values) => write(level, values);
  }
}

export function logError(what, error) {
  if (asJson) {
    write(LEVELS.indexOf("ERROR"), [error]);
  } else {
    write(LEVELS.indexOf("ERROR"), [`${what} \t${stringify(describeForLog(error))}`]);
  }
}

function write(level, values) {
  const time = new Date().toISOString();
  const line = asJson
    ? stringify({ timestamp: time, level: LEVELS[level], requestId, tenantId, ...record(values) })
    : `${time}\t${requestId}\t${LEVELS[level]}\t${format(...values)}`;
  writeAll(Buffer.from(`${line.replaceAll("\n", "\r")}\n`));
}

function record(values) {
  const error = values.find((value) => value instanceof Error);
  const message = values.length === 1 && !error ? values[0] : format(...values);
  if (!error) return { message };
  const { trace, ...told } = describe(error);
  return { ...told, message: values.length === 1 ? undefined : message, stackTrace: trace };
}

function stringify(value) {
  try {
    return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item));
  } catch {
    return JSON.stringify(format(value));
  }
}

/** Directly and at once: what was said before an answer, or before the end, is out by then. */
function writeAll(data) {
  let written = 0;
  while (written < data.length) {
    try {
      written += writeSync(1, data, written);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error; // else the pipe is full: wait for its reader
    }
  }
}
