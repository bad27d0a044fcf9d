// The Runtime API over one kept connection. While a handler runs nothing here keeps the event loop busy.

import http from "node:http";

const PREFIX = "/2018-06-01/runtime";
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";

export class Api {
  constructor(address) {
    const [host, port] = address.split(":");
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    this.options = { host, port, agent: this.agent };
  }

  /** The next event, whenever it comes. */
  async next() {
    const { status, headers, body } = await this.send("GET", "/invocation/next", {});
    if (status !== 200) throw new Error(`the Runtime API answered ${status}: ${body}`);
    return { id: headers["lambda-runtime-aws-request-id"], headers, body };
  }

  response(id, text) {
    return this.send("POST", `/invocation/${id}/response`, { "Content-Type": "application/json" }, text);
  }

  error(id, described) {
    return this.postError(`/invocation/${id}/error`, described);
  }

  initError(described) {
    return this.postError("/init/error", described);
  }

  postError(path, described) {
    const headers = {
      "Content-Type": "application/vnd.aws.lambda.error+json",
      [ERROR_TYPE]: headerSafe(described.errorType),
    };
    return this.send("POST", path, headers, JSON.stringify(described));
  }

  /** A writable stream whose content is the answer, and a promise of its acceptance. */
  stream(id) {
    const request = http.request({
      ...this.options,
      method: "POST",
      path: `${PREFIX}/invocation/${id}/response`,
      headers: {
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Transfer-Encoding": "chunked",
        Trailer: [ERROR_TYPE, "Lambda-Runtime-Function-Error-Body"].join(", "),
      },
    });
    return { request, accepted: collect(request) };
  }

  send(method, path, headers, text) {
    const body = text === undefined ? undefined : Buffer.from(text);
    const length = body === undefined ? {} : { "Content-Length": body.length };
    const request = http.request({
      ...this.options,
      method,
      path: PREFIX + path,
      headers: { ...headers, ...length },
    });
    request.end(body);
    return collect(request);
  }
}

/** Marks a stream's answer as broken off, by trailers. */
export function addTrailers(request, described) {
  request.addTrailers({
    [ERROR_TYPE]: headerSafe(described.errorType),
    "Lambda-Runtime-Function-Error-Body": Buffer.from(JSON.stringify(described)).toString("base64"),
  });
}

function collect(request) {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const body = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
    });
  });
}

function headerSafe(text) {
  return String(text).replace(/[^\x21-\x7e]/g, "?");
}
