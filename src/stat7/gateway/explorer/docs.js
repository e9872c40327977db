// The description of the interface, read from /openapi.json and laid out for people.

import { get } from "./api.js";
import { announce, counted, fill, h } from "./dom.js";
import { problemPanel } from "./message.js";
import { curl, schemaText } from "./schema.js";

/** Which group a path belongs to: the first that fits. */
const GROUPS = [
  ["Entities", /^\/(entities|withdrawals)(\/|$)/],
  ["Finding", /^\/(explain|head|history|neighbours|heads|stats)(\/|$)/],
  ["Files", /^\/files(\/|$)/],
  ["Jobs over a whole store", /^\/(scan|digest|marks|check|compact|discards|repairs)/],
  ["The gateway itself", /^\//],
];

const SCOPES = {
  open: "anyone may ask",
  read: "takes a key that may read, unless reading is open",
  write: "takes a key that may write",
  admin: "takes a key that may administer",
};

const main = document.getElementById("main");

async function show() {
  let api;
  try {
    api = await (await get("/openapi.json", { anonymous: true })).json();
  } catch (error) {
    fill(main, h("h1", {}, "Interface"), problemPanel(error, { retry: show }));
    return;
  }
  const groups = grouped(api);
  const filter = h("input", {
    id: "filter",
    type: "search",
    placeholder: "path, word or scope",
    autocomplete: "off",
    oninput: () => narrow(filter.value),
  });
  fill(
    main,
    h(
      "header.intro",
      {},
      h("h1", {}, "Interface"),
      h("p", {}, api.info.description),
      h(
        "p.soft.small",
        {},
        `stat7 ${api.info.version} · OpenAPI ${api.openapi} · a key goes into the header `,
        h("code", {}, "Authorization: Bearer KEY"),
      ),
      h("p.field", {}, h("label", { for: "filter" }, "Show only"), filter),
    ),
    groups.map(([name, operations]) =>
      h("section.group", { "aria-label": name }, h("h2", {}, name), operations.map(operation)),
    ),
    h(
      "section.group",
      { "aria-label": "Schemas" },
      h("h2", {}, "Schemas"),
      Object.entries(api.components.schemas).map(([name, schema]) => schemaPanel(name, schema)),
    ),
  );
  openNamed();
}

function grouped(api) {
  const groups = new Map(GROUPS.map(([name]) => [name, []]));
  for (const [path, methods] of Object.entries(api.paths)) {
    const [name] = GROUPS.find(([, pattern]) => pattern.test(path));
    for (const [method, said] of Object.entries(methods)) {
      // HEAD is told beside its GET.
      if (method !== "head") groups.get(name).push({ method, path, said, head: "head" in methods && method === "get" });
    }
  }
  return [...groups].filter(([, operations]) => operations.length);
}

function operation({ method, path, said, head }) {
  const scope = said["x-scope"] ?? "";
  const word = `${method} ${path} ${said.summary} ${scope}`.toLowerCase();
  return h(
    "details.panel.operation",
    { id: said.operationId, "data-words": word },
    h(
      "summary",
      {},
      h(`span.method.${method}`, {}, method.toUpperCase()),
      h("code.path", {}, path),
      h("span.summary", {}, said.summary),
      h("span.badge", {}, scope),
    ),
    h(
      "div.stack",
      {},
      h("p.soft.small", {}, SCOPES[scope] ?? scope, head ? "; HEAD is answered too" : ""),
      said.parameters.length > 0 && part("Parameters", parameters(said.parameters)),
      said.requestBody && part("Body", bodies(said.requestBody.content)),
      part("Answers", answers(said.responses)),
      part("Try it", h("pre", { tabindex: "0" }, curl(location.origin, method, path, said))),
    ),
  );
}

function part(title, ...children) {
  return h("div", {}, h("h3", {}, title), children);
}

function parameters(listed) {
  return h(
    "dl.listed",
    {},
    listed.map((each) => [
      h(
        "dt",
        {},
        h("code", {}, each.name),
        h("span.soft.small", {}, each.in === "path" ? " in the path" : each.required ? " needed" : ""),
      ),
      h("dd", {}, each.description, " ", h("code.soft", {}, schemaText(each.schema)), examples(each.schema)),
    ]),
  );
}

function examples(schema) {
  const given = schema.examples ?? [];
  return (
    given.length > 0 &&
    h(
      "span.soft",
      {},
      " such as ",
      given.map((text, at) => [at ? ", " : "", h("code", {}, String(text))]),
    )
  );
}

function bodies(content) {
  return h(
    "ul",
    {},
    Object.entries(content).map(([type, { schema }]) => h("li", {}, typed(type, schema))),
  );
}

function typed(type, schema) {
  return [h("code", {}, type), " ", h("code.soft", {}, schemaText(schema))];
}

function answers(responses) {
  return h(
    "dl.listed",
    {},
    Object.entries(responses).map(([status, { description, content }]) => [
      h("dt", {}, h("code", {}, status === "default" ? "others" : status)),
      h(
        "dd",
        {},
        description,
        Object.entries(content ?? {}).map(([type, { schema }]) => h("div", {}, typed(type, schema))),
      ),
    ]),
  );
}

function schemaPanel(name, schema) {
  return h(
    "details.panel.operation",
    { id: `schema-${name}`, "data-words": `schema ${name}`.toLowerCase() },
    h("summary", {}, h("code.path", {}, name), h("span.summary", {}, schema.description ?? "")),
    h(
      "dl.listed",
      {},
      Object.entries(schema.properties ?? {}).map(([member, inside]) => [
        h(
          "dt",
          {},
          h("code", {}, member),
          h("span.soft.small", {}, schema.required?.includes(member) ? " always there" : ""),
        ),
        h("dd", {}, h("code.soft", {}, schemaText(inside))),
      ]),
    ),
  );
}

function narrow(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const group of main.querySelectorAll(".group")) {
    let here = 0;
    for (const each of group.querySelectorAll(".operation")) {
      const fits = words.every((word) => each.dataset.words.includes(word));
      each.hidden = !fits;
      here += Number(fits);
    }
    group.hidden = here === 0;
    left += here;
  }
  announce(counted(left, "entry", "entries"));
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named?.matches(".operation")) {
    named.open = true;
    named.scrollIntoView();
  }
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", openNamed);
main.addEventListener(
  "toggle",
  (event) => {
    if (event.target.open) history.replaceState(null, "", `#${event.target.id}`);
  },
  true,
);
show();
