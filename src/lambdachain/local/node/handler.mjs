/** Finding the function that a handler setting such as `src/app.handler` names. */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { HandlerNotFound, ImportModuleError, MalformedHandlerName, UserCodeSyntaxError } from "./errors.mjs";

const require = createRequire(import.meta.url);

/** Load the handler; throw the errors that Lambda reports for a failed initialization. */
export async function loadHandler(directory, setting) {
  const { folder, module, property } = parse(setting);
  const exported = await asPlatformErrors(() => loadModule(directory, folder, module));
  const handler = property.split(".").reduce((owner, name) => owner && owner[name], exported);
  if (!handler) {
    throw new HandlerNotFound(`${setting} is undefined or not exported`);
  }
  if (typeof handler !== "function") {
    throw new HandlerNotFound(`${setting} is not a function`);
  }
  return handler;
}

function parse(setting) {
  if (setting.includes("..")) {
    const hint = "Use absolute paths when specifying root directories in handler names.";
    throw new MalformedHandlerName(`'${setting}' is not a valid handler name. ${hint}`);
  }
  const name = path.basename(setting);
  const parts = /^([^.]*)\.(.*)$/.exec(name);
  if (parts === null) {
    throw new MalformedHandlerName("Bad handler");
  }
  return { folder: setting.slice(0, setting.indexOf(name)), module: parts[1], property: parts[2] };
}

async function asPlatformErrors(load) {
  try {
    return await load();
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error);
    if (error.code === "MODULE_NOT_FOUND") throw new ImportModuleError(error);
    throw error;
  }
}

async function loadModule(directory, folder, module) {
  const file = path.resolve(directory, folder, module);
  const load = { script: (found) => require(found), module: (found) => import(pathToFileURL(found).href) };
  const candidates = [
    ["", load.script],
    [".js", isModulePackage(path.dirname(file)) ? load.module : load.script],
    [".mjs", load.module],
    [".cjs", load.script],
  ];
  for (const [extension, loadFile] of candidates) {
    if (existsSync(file + extension)) return loadFile(file + extension);
  }
  return require(require.resolve(module, { paths: [directory, folder] }));
}

/** Check whether the nearest package.json, up to a node_modules, makes `.js` files ES modules. */
function isModulePackage(folder) {
  if (folder.endsWith("/node_modules")) return false;
  const description = path.join(folder, "package.json");
  if (existsSync(description)) return JSON.parse(readFileSync(description, "utf8"))?.type === "module";
  return folder !== path.dirname(folder) && isModulePackage(path.dirname(folder));
}
