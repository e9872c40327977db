// JSON schemas and requests, said in a line.

const DIGEST = "^[0-9a-f]{64}$";

/**
 * A schema as a person would note it: `{address: digest, status: "new" | "existed"}`.
 * @param {Object} schema
 * @returns {string}
 */
export function schemaText(schema) {
  if (!schema) return "anything";
  if (schema.$ref) return schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1);
  if (schema.anyOf) return schema.anyOf.map(schemaText).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `[${schemaText(schema.items)}, …]`;
  if (schema.type === "object") return objectText(schema);
  if (schema.type === "string") return stringText(schema);
  if (schema.type === "integer" && schema.minimum !== undefined && schema.maximum !== undefined) {
    return `integer ${schema.minimum} to ${schema.maximum}`;
  }
  return schema.type ?? "anything";
}

function objectText(schema) {
  const members = Object.entries(schema.properties ?? {});
  if (members.length) {
    const needed = schema.required ?? [];
    const told = members.map(([name, inside]) => `${name}${needed.includes(name) ? "" : "?"}: ${schemaText(inside)}`);
    return `{${told.join(", ")}}`;
  }
  if (typeof schema.additionalProperties === "object") return `{name: ${schemaText(schema.additionalProperties)}, …}`;
  return "object";
}

function stringText(schema) {
  if (schema.pattern === DIGEST) return "digest";
  if (schema.contentMediaType) return "bytes";
  return schema.description ?? (schema.format ? `string (${schema.format})` : "string");
}

/**
 * A line for a shell that makes this request.
 * @param {string} origin
 * @param {string} method
 * @param {string} path
 * @param {Object} said the operation as OpenAPI describes it
 */
export function curl(origin, method, path, said) {
  const query = said.parameters.filter((each) => each.in === "query" && each.required);
  const asked = query.length ? query : said.parameters.filter((each) => each.schema.examples).slice(0, 1);
  const text = asked.map((each) => `${each.name}=${each.schema.examples?.[0] ?? each.name.toUpperCase()}`).join("&");
  const place = path.replace(/\{([^}]+)\}/, (_, name) => name.toUpperCase());
  const parts = ["curl"];
  if (method !== "get") parts.push(`-X ${method.toUpperCase()}`);
  if (said["x-scope"] !== "open") parts.push('-H "Authorization: Bearer $KEY"');
  parts.push(...body(said.requestBody?.content ?? {}));
  parts.push(`"${origin}${place}${text ? `?${text}` : ""}"`);
  return parts.join(" ");
}

function body(content) {
  const [type] = Object.keys(content);
  if (!type) return [];
  const schema = content[type].schema;
  const data =
    type !== "application/json" || schema.$ref ? "--data-binary @FILE" : `-d '${JSON.stringify(sample(schema))}'`;
  return [`-H "Content-Type: ${type}"`, data];
}

/** Some value of a schema, for an example. */
function sample(schema) {
  if (schema.anyOf) return sample(schema.anyOf[0]);
  if (schema.enum) return schema.enum[0];
  if (schema.type === "array") return [sample(schema.items)];
  if (schema.type === "object") {
    const needed = Object.entries(schema.properties ?? {}).filter(([name]) => (schema.required ?? []).includes(name));
    return Object.fromEntries(needed.map(([name, inside]) => [name, sample(inside)]));
  }
  if (schema.type === "integer") return schema.minimum ?? 0;
  return schema.pattern === DIGEST ? "DIGEST" : "TEXT";
}
