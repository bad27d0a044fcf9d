// What `require("openwhisk")` finds in an action that brings no client of its own: the platform's REST API by the
// names of OpenWhisk's client, with the action's own key (annotation provide-api-key).

"use strict";

module.exports = function openwhisk(options = {}) {
  const host = options.apihost ?? process.env.__OW_API_HOST;
  const own = options.namespace ?? process.env.__OW_NAMESPACE ?? "_";

  async function send(method, path, query = {}, body = undefined) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const url = `${host}/api/v1/namespaces/${path}?${new URLSearchParams(given)}`;
    const key = options.api_key ?? process.env.__OW_API_KEY ?? ""; // it may change from call to call
    const headers = {
      Authorization: `Basic ${Buffer.from(key).toString("base64")}`,
      "Content-Type": "application/json",
    };
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    const content = text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text;
    if (response.ok) return content;
    const told = content.error ?? content.response?.result?.error ?? response.statusText;
    const why = typeof told === "string" ? told : JSON.stringify(told);
    const error = new Error(`${method} ${url} Returned HTTP ${response.status} --> "${why}"`);
    throw Object.assign(error, { name: "OpenWhiskError", statusCode: response.status, error: content });
  }

  /** `name`, `package/name` or `/namespace/[package/]name`. */
  function place(collection, given) {
    const { name, namespace } = typeof given === "string" ? { name: given } : given;
    const parts = name.replace(/^\//, "").split("/");
    const space = name.startsWith("/") ? parts.shift() : (namespace ?? own);
    return [space, collection, ...parts].map(encodeURIComponent).join("/");
  }

  function entities(collection, content) {
    const put = (overwrite) => (given) =>
      send("PUT", place(collection, given), { overwrite }, content(given));
    return {
      list: ({ namespace = own, limit, skip } = {}) =>
        send("GET", `${encodeURIComponent(namespace)}/${collection}`, { limit, skip }),
      get: (given) => send("GET", place(collection, given)),
      create: put(false),
      update: put(true),
      delete: (given) => send("DELETE", place(collection, given)),
      invoke: ({ blocking, result, params = {}, ...given }) =>
        send("POST", place(collection, given), { blocking, result }, params),
    };
  }

  const action = ({ action: code, kind = "nodejs:default", params = {}, ...rest }) =>
    typeof code === "object"
      ? code
      : { exec: { kind, code }, parameters: pairs(params), annotations: pairs(rest.annotations ?? {}) };
  const activations = entities("activations");
  const part = (what) => (given) => send("GET", `${place("activations", given)}/${what}`);
  return {
    actions: entities("actions", action),
    packages: entities("packages", (given) => given.package ?? {}),
    triggers: entities("triggers", (given) => given.trigger ?? {}),
    rules: entities("rules", ({ trigger, action: name }) => ({ trigger: full(trigger), action: full(name) })),
    activations: { list: activations.list, get: activations.get, logs: part("logs"), result: part("result") },
    namespaces: { list: () => send("GET", "") },
  };
};

function full(name) {
  return name.startsWith("/") ? name : `/_/${name}`;
}

function pairs(values) {
  return Object.entries(values).map(([key, value]) => ({ key, value }));
}
