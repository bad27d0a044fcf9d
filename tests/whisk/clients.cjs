// OpenWhisk's own clients against a node: everything that they can ask for. Usage: clients.cjs NAME URL AUTH

const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const [, , suite, apihost, api_key] = process.argv;
const options = { apihost, api_key, namespace: "_" };
const ECHO = "function main(args) { return args; }";
const ADD = "function main({ n }) { return { n: n + 1 }; }";

async function refused(promise, status) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.statusCode, status, error.message);
    return true;
  });
}

const until = async (look) => {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    try {
      return await look();
    } catch (error) {
      if (error.statusCode !== 404) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error("it did not come in 60 s");
};

const suites = {
  async actions() {
    const ow = require("openwhisk")(options);
    const made = await ow.actions.create({ name: "js echo", action: ECHO, annotations: { note: 1 } });
    assert.match(made.exec.kind, /^nodejs:\d+$/);
    assert.deepEqual(await ow.actions.invoke({ name: "js echo", params: { a: 1 }, blocking: true, result: true }), { a: 1 });
    const whole = await ow.actions.invoke({ name: "js echo", params: { a: 1 }, blocking: true });
    assert.deepEqual(whole.response.result, { a: 1 });
    const { activationId } = await ow.actions.invoke({ name: "js echo", params: { b: 2 } });
    const record = await until(() => ow.activations.get({ name: activationId }));
    assert.deepEqual(record.response.result, { b: 2 });
    assert.deepEqual((await ow.activations.result({ name: activationId })).result, { b: 2 });
    assert.deepEqual((await ow.activations.logs({ name: activationId })).logs, []);
    assert.ok((await ow.activations.list({ limit: 5 })).length >= 2);
    assert.equal((await ow.actions.get({ name: "js echo" })).exec.code, ECHO);
    assert.equal((await ow.actions.update({ name: "js echo", action: ECHO, params: { c: 3 } })).version, "0.0.2");
    assert.deepEqual(await ow.actions.invoke({ name: "js echo", blocking: true, result: true }), { c: 3 });
    await refused(ow.actions.create({ name: "js echo", action: ECHO }), 409);
    await refused(ow.actions.get({ name: "none" }), 404);
    await ow.actions.create({ name: "fails", action: "function main() { return { error: 'no' } }" });
    await refused(ow.actions.invoke({ name: "fails", blocking: true }), 502);
    const names = (await ow.actions.list()).map((action) => action.name);
    assert.ok(names.includes("js echo") && names.includes("fails"));
    for (const name of ["js echo", "fails"]) await ow.actions.delete({ name });
    assert.deepEqual(await ow.namespaces.list(), ["clients"]);
  },

  async entities() {
    const ow = require("openwhisk")(options);
    await ow.actions.update({ name: "echo", action: ECHO });
    await ow.packages.update({ name: "box", package: { parameters: [{ key: "p", value: 1 }] } });
    await ow.actions.update({ name: "box/echo", action: ECHO });
    assert.deepEqual(await ow.actions.invoke({ name: "box/echo", blocking: true, result: true }), { p: 1 });
    assert.equal((await ow.packages.get({ name: "box" })).actions.length, 1);
    assert.ok((await ow.packages.list()).some(({ name }) => name === "box"));
    await ow.triggers.update({ name: "event", trigger: { parameters: [{ key: "t", value: 1 }] } });
    await ow.rules.update({ name: "rule", action: "echo", trigger: "event" });
    const { activationId } = await ow.triggers.invoke({ name: "event", params: { e: 2 } });
    const fired = await ow.activations.get({ name: activationId });
    const line = JSON.parse(fired.logs[0]);
    const called = await until(() => ow.activations.get({ name: line.activationId }));
    assert.equal(called.response.result.e, 2);
    await ow.rules.disable({ name: "rule" });
    assert.equal((await ow.rules.get({ name: "rule" })).status, "inactive");
    await ow.rules.enable({ name: "rule" });
    assert.equal((await ow.rules.list()).length, 1);
    await ow.rules.delete({ name: "rule" });
    await ow.triggers.delete({ name: "event" });
    await ow.actions.delete({ name: "box/echo" });
    await ow.packages.delete({ name: "box" });
  },

  async routes() {
    const ow = require("openwhisk")({ ...options, apigw_token: "DUMMY TOKEN", apigw_space_guid: "x" });
    const code = "function main(args) { return { body: { path: args.__ow_path, method: args.__ow_method, a: args.a } } }";
    await ow.actions.update({ name: "web", action: code, annotations: { "web-export": true } });
    const route = { basepath: "/shop", relpath: "/books/{id}", operation: "GET", action: "web", name: "The shop" };
    const made = await ow.routes.create(route);
    assert.equal(made.apidoc.paths["/books/{id}"].get["x-openwhisk"].action, "web");
    await ow.routes.create({ ...route, relpath: "/books", operation: "POST" });
    const answer = await fetch(`${made.gwApiUrl}/books/7?a=1`);
    assert.deepEqual(await answer.json(), { path: "/books/7", method: "get", a: "1" });
    assert.equal((await fetch(`${made.gwApiUrl}/books`)).status, 404);
    assert.equal((await fetch(`${made.gwApiUrl}/books`, { method: "POST" })).status, 200);
    const { apis } = await ow.routes.list();
    assert.deepEqual(Object.keys(apis[0].value.apidoc.paths), ["/books/{id}", "/books"]);
    assert.equal((await ow.routes.get({ basepath: "/shop" })).apis.length, 1);
    await ow.routes.delete({ basepath: "/shop", relpath: "/books", operation: "POST" });
    await ow.routes.create({ swagger: { ...made.apidoc, basePath: "/copy" } });
    assert.equal((await ow.routes.list()).apis.length, 2);
    for (const basepath of ["/shop", "/copy"]) await ow.routes.delete({ basepath });
    await refused(ow.routes.delete({ basepath: "/shop" }), 502);
    assert.deepEqual((await ow.routes.list()).apis, []);
  },

  async feeds() {
    const ow = require("openwhisk")(options);
    const code = "function main(args) { return { saw: args.lifecycleEvent, trigger: args.triggerName } }";
    await ow.actions.update({ name: "feed", action: code, annotations: { feed: true } });
    const seen = await ow.feeds.create({ feedName: "feed", trigger: "event", params: { every: 1 } });
    assert.equal(seen.response.result.saw, "CREATE");
    assert.match(seen.response.result.trigger, /\/event$/);
    await ow.feeds.delete({ feedName: "feed", trigger: "event" });
  },

  async composer() {
    const composer = require("openwhisk-composer");
    const ow = require("openwhisk-composer/client")(options);
    for (const [name, action] of [["add", ADD], ["echo", ECHO]]) await ow.actions.update({ name, action });
    const fail = composer.action("fail", { action: "function main() { return { error: 'broken' } }" });
    const composition = composer.seq(
      composer.action("add"),
      composer.if(({ n }) => n > 1, composer.repeat(3, "add"), "echo"),
      composer.let({ kept: 5 }, composer.retain("add"), ({ params, result }) => ({ n: params.n + result.n, kept })),
      composer.try(fail, ({ error }) => ({ caught: error })),
    );
    await ow.compositions.deploy({ name: "composed", ...composition.compile() }, true);
    const got = await ow.actions.invoke({ name: "composed", params: { n: 1 }, blocking: true });
    assert.deepEqual(got.response.result, { caught: "broken" });
    assert.ok(got.logs.length > 8);
    await ow.compositions.deploy({ name: "looped", ...composer.while(({ n }) => n < 5, "add").compile() }, true);
    const caller = `const ow = require("openwhisk")();
      exports.main = (args) => ow.actions.invoke({ name: "add", params: args, blocking: true, result: true });`;
    const annotations = { "provide-api-key": true };
    await ow.actions.update({ name: "caller", action: caller, annotations });
    assert.deepEqual(await ow.actions.invoke({ name: "caller", params: { n: 6 }, blocking: true, result: true }), { n: 7 });
    const looped = await ow.actions.invoke({ name: "looped", params: { n: 0 }, blocking: true, result: true });
    assert.deepEqual(looped, { n: 5 });
  },

  async aio() {
    const runtime = require("@adobe/aio-lib-runtime");
    const ow = await runtime.init(options);
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "aio-"));
    const file = path.join(folder, "hello.js");
    fs.writeFileSync(file, "exports.main = async ({ name }) => (console.log('seen'), { body: `Hello ${name}` })");
    const manifest = {
      app: {
        actions: { hello: { function: file, runtime: "nodejs:20", web: "yes", inputs: { name: "you" } } },
        triggers: { event: { inputs: { name: "they" } } },
        rules: { rule: { trigger: "event", action: "hello" } },
        sequences: { twice: { actions: "hello,hello" } },
      },
    };
    const { processPackage, syncProject } = runtime.utils;
    const entities = processPackage(manifest, {}, {}, {}, false, options);
    await syncProject("project", file, { project: { name: "project" } }, entities, ow, () => {}, undefined, false);
    const got = await ow.actions.invoke({ name: "app/hello", blocking: true, result: true });
    assert.deepEqual(got, { body: "Hello you" });
    assert.equal(await (await fetch(`${apihost}/api/v1/web/clients/app/hello`)).text(), "Hello you");
    assert.equal((await ow.rules.list()).find(({ name }) => name === "rule").trigger.name, "event");
    const lines = [];
    await runtime.printActionLogs({ ow: { apihost, auth: api_key, namespace: "_", apiversion: "v1" } }, (line) => lines.push(line), 5, ["app/hello"]);
    assert.ok(lines.some((line) => line.includes("seen")), lines.join());
    fs.rmSync(folder, { recursive: true });
  },
};

suites[suite]().catch((error) => {
  console.error(error);
  process.exit(1);
});
