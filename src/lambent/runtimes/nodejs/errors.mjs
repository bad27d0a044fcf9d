// Errors as the Runtime API and the log show them.

class RuntimeError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = `Runtime.${this.constructor.name}`;
  }
}

export class ImportModuleError extends RuntimeError {}
export class HandlerNotFound extends RuntimeError {}
export class MalformedHandlerName extends RuntimeError {}
export class UserCodeSyntaxError extends RuntimeError {}

export class UnhandledPromiseRejection extends RuntimeError {
  constructor(reason) {
    super(String(reason), { cause: reason });
    this.reason = reason;
  }
}

/** What a caller reads. Anything can be thrown, and its fields may be anything. */
export function describe(error) {
  if (!(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return {
    errorType: String(error.name),
    errorMessage: String(error.message),
    trace: String(error.stack ?? "").split("\n"),
  };
}

/** The same for the log, with the error's own fields. */
export function describeForLog(error) {
  if (!(error instanceof Error)) return describe(error);
  const { trace, ...told } = describe(error);
  return { ...told, ...error, reason: readable(error.reason), stack: trace };
}

function readable(reason) {
  return reason instanceof Error ? describe(reason) : reason;
}
