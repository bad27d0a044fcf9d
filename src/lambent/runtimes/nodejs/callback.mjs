// Runs a handler of either kind: one that returns a promise, or one that calls back.

/** The handler's result. After a callback it waits for an empty event loop, unless the handler said not to. */
export async function runCallback(handler, event, context) {
  let onEmpty;
  try {
    return await new Promise((resolve, reject) => {
      let finish = () => resolve(null); // neither a callback nor a promise: the loop runs empty
      onEmpty = () => finish();
      process.on("beforeExit", onEmpty);
      const callback = (error, result) => {
        finish = error === null || error === undefined ? () => resolve(result) : () => reject(error);
        if (!context.callbackWaitsForEmptyEventLoop) finish();
      };
      context.done = callback;
      context.succeed = (result) => callback(null, result);
      context.fail = (error) => callback(error ?? "handled");
      const result = handler(event, context, callback);
      if (typeof result?.then === "function") result.then(resolve, reject);
    });
  } finally {
    process.off("beforeExit", onEmpty);
  }
}
