// Response streaming: `awslambda.streamifyResponse` and what it hands to a handler.

import { finished } from "node:stream/promises";
import { addTrailers } from "./api.mjs";
import { describe } from "./errors.mjs";
import { logError } from "./log.mjs";

const MARK = Symbol.for("aws.lambda.runtime.handler.streaming");
const INTEGRATION = "application/vnd.awslambda.http-integration-response";
const PRELUDE_END = Buffer.alloc(8);

export function installGlobals() {
  globalThis.awslambda = {
    streamifyResponse: (handler) => {
      handler[MARK] = "response";
      return handler;
    },
    HttpResponseStream: { from: withPrelude },
  };
}

export function isStreaming(handler) {
  return handler[MARK] === "response";
}

/** The answer is over when the handler is and has ended its stream. */
export async function runStreaming(handler, event, context, { request, accepted }) {
  accepted.catch(() => {}); // looked at below, perhaps later than it comes
  request.setContentType = (type) => request.setHeader("Content-Type", type);
  try {
    await handler(event, request, context);
    await finished(request, { readable: false });
  } catch (error) {
    if (!request.headersSent) {
      request.destroy();
      throw error;
    }
    logError("Invoke Error", error);
    addTrailers(request, describe(error));
    request.end();
  }
  await accepted;
}

/** A stream that begins with an HTTP response's status and headers. */
function withPrelude(stream, metadata) {
  stream.setContentType(INTEGRATION);
  stream.write(JSON.stringify(metadata));
  stream.write(PRELUDE_END);
  return stream;
}
