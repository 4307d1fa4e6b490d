/* reference.js - the daemon's description of itself (OpenAPI) as people read it: requests by subject, parameters, and the shapes that
 * are sent and answered, written like the JSON that they are. */

/** @typedef {{ name: string, place: string, type: string, isNeeded: boolean, doc: string }} Parameter */
/** @typedef {{ type: string, shape: string }} Content */
/** @typedef {{ id: string, method: string, path: string, summary: string, parameters: Parameter[], sends: Content[], answers: { status: string, doc: string, contents: Content[] }[] }} Request */

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const SUBJECTS = /** @type {[string, RegExp][]} */ ([
  ['Labs and machines', /^\/api\/v1\/(profiles|ops|openapi\.json|labs(\/\{lab\}(\/fork)?)?)$/],
  ['Operations and history', /\/\{lab\}\/(ops|events|diff|stats)/],
  ['Traces in and out', /\/\{lab\}\/(import|export)/],
  ['Memory', /\/\{lab\}\/(frames|zones|caches|slabs|vmalloc|allocations|memory|translate|pgtable|tlb|swap)/],
  ['Processes', /\/\{lab\}\/processes/],
  ['As the kernel prints it', /\/\{lab\}\/proc/],
  ['All allocators beside each other', /\/compare/],
]);

/** @param {any} api @returns {{ title: string, requests: Request[] }[]} */
export function subjectsOf(api) {
  const requests = Object.entries(api.paths ?? {}).flatMap(([path, methods]) =>
    METHODS.filter((method) => /** @type {any} */ (methods)[method]).map((method) => requestOf(api, path, method)),
  );
  const groups = SUBJECTS.map(([title]) => ({ title, requests: /** @type {Request[]} */ ([]) }));
  const rest = { title: 'Service', requests: /** @type {Request[]} */ ([]) };
  for (const request of requests)
    (groups[SUBJECTS.findIndex(([, pattern]) => pattern.test(request.path))] ?? rest).requests.push(request);
  return [...groups, rest].filter((group) => group.requests.length);
}

/** @param {any} api @param {string} path @param {string} method @returns {Request} */
function requestOf(api, path, method) {
  const info = api.paths[path][method];
  const parameters = [...(api.paths[path].parameters ?? []), ...(info.parameters ?? [])].map((/** @type {any} */ one) =>
    follow(api, one),
  );
  return {
    id: `${method}-${path.replace(/^\/api\/v1\//, '').replace(/[^\w]+/g, '-')}`.replace(/-+$/, ''),
    method: method.toUpperCase(),
    path,
    summary: info.summary ?? '',
    parameters: parameters.map((p) => ({
      name: p.name,
      place: p.in,
      type: typeOf(api, p.schema),
      isNeeded: Boolean(p.required),
      doc: p.description ?? '',
    })),
    sends: contents(api, follow(api, info.requestBody ?? {}).content),
    answers: Object.entries(info.responses ?? {}).map(([status, answer]) => {
      const known = follow(api, answer);
      return {
        status: status === 'default' ? 'else' : status,
        doc: known.description ?? '',
        contents: contents(api, known.content),
      };
    }),
  };
}

/** @param {any} api @param {any} content @returns {Content[]} */
const contents = (api, content) =>
  Object.entries(content ?? {}).map(([type, { schema }]) => ({
    type,
    shape: /json/.test(type) && schema ? shapeOf(api, schema) : '',
  }));

/** @param {any} api @param {any} thing */
function follow(api, thing) {
  if (!thing?.$ref) return thing;
  return (
    thing.$ref
      .split('/')
      .slice(1)
      .reduce((/** @type {any} */ at, /** @type {string} */ key) => at?.[key], api) ?? {}
  );
}

/** A type in a word or two. @param {any} api @param {any} given @returns {string} */
function typeOf(api, given) {
  const schema = follow(api, given) ?? {};
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ v) => JSON.stringify(v)).join(' | ');
  if (schema.anyOf || schema.oneOf)
    return [...new Set((schema.anyOf ?? schema.oneOf).map((/** @type {any} */ one) => typeOf(api, one)))].join(' | ');
  if (Array.isArray(schema.type)) return schema.type.join(' | ');
  if (schema.pattern?.startsWith('^0x')) return 'hex';
  return schema.type ?? 'any';
}

const DEPTH_MAX = 5;

/** A schema as the JSON that fits it; what may be left out has a question mark. @param {any} api @param {any} given @param {number} [depth] @returns {string} */
export function shapeOf(api, given, depth = 0) {
  const schema = follow(api, given) ?? {};
  const inside = '  '.repeat(depth + 1);
  if (schema.type === 'array')
    return `[${schema.items ? shapeOf(api, schema.items, depth) : ''}, …]`.replace('[, …]', '[…]');
  const fields = Object.entries(schema.properties ?? {});
  if (!fields.length)
    return schema.type === 'object' && schema.additionalProperties
      ? `{ name: ${shapeOf(api, schema.additionalProperties, depth)}, … }`
      : schema.type === 'object'
        ? '{…}'
        : typeOf(api, schema);
  if (depth >= DEPTH_MAX) return '{…}';
  const needed = new Set(schema.required ?? []);
  const lines = fields.map(
    ([name, value]) => `${inside}${name}${needed.has(name) ? '' : '?'}: ${shapeOf(api, value, depth + 1)}`,
  );
  return `{\n${lines.join(',\n')}\n${'  '.repeat(depth)}}`;
}
