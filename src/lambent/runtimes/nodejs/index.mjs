// The Node.js runtime: asks the Runtime API for events and runs the handler on them, one at a time.

import { Api } from "./api.mjs";
import { runCallback } from "./callback.mjs";
import { contextOf } from "./context.mjs";
import { describe, UnhandledPromiseRejection } from "./errors.mjs";
import { loadHandler } from "./handler.mjs";
import { logError, patchConsole, setRequestId } from "./log.mjs";
import { installGlobals, isStreaming, runStreaming } from "./streaming.mjs";

const UNCAUGHT = 129; // the exit statuses of AWS's own runtime
const UNHANDLED = 128;
const ACTION = "_lambent.action";

const api = new Api(process.env.AWS_LAMBDA_RUNTIME_API);
let fail = (error) => api.initError(describe(error)); // how the phase that runs reports what nobody caught

async function main() {
  patchConsole();
  installGlobals();
  process.on("uncaughtException", (error) => end("Uncaught Exception", error, UNCAUGHT));
  process.on("unhandledRejection", (reason) =>
    end("Unhandled Promise Rejection", new UnhandledPromiseRejection(reason), UNHANDLED),
  );
  let handler;
  try {
    handler = await load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    return end("Uncaught Exception", error, UNCAUGHT);
  }
  for (;;) {
    await serve(handler, await api.next());
  }
}

/** A handler of the package, or the one that we put around an OpenWhisk action. */
async function load(root, name) {
  return name === ACTION ? (await import("./action.mjs")).loadAction(root) : loadHandler(root, name);
}

/** One invocation, from its event to its answer. */
async function serve(handler, { id, headers, body }) {
  setRequestId(id, headers["lambda-runtime-aws-tenant-id"]);
  setTrace(headers["lambda-runtime-trace-id"]);
  fail = (error) => api.error(id, describe(error));
  try {
    const context = contextOf(id, headers);
    const event = JSON.parse(body);
    if (isStreaming(handler)) {
      await runStreaming(handler, event, context, api.stream(id));
    } else {
      await api.response(id, serialise(await runCallback(handler, event, context)));
    }
  } catch (error) {
    logError("Invoke Error", error);
    await api.error(id, describe(error));
  }
}

function serialise(result) {
  try {
    return JSON.stringify(result) ?? "null";
  } catch {
    throw new Error("Unable to stringify response body");
  }
}

function setTrace(trace) {
  if (trace) {
    process.env._X_AMZN_TRACE_ID = trace;
  } else {
    delete process.env._X_AMZN_TRACE_ID;
  }
}

/** What nobody caught ends the process, once it has been told. */
async function end(what, error, status) {
  logError(what, error);
  try {
    await fail(error);
  } finally {
    process.exit(status);
  }
}

await main();
