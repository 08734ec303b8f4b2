/** Which of a program's variants an adapter runs. */

/** @import { Variant } from "./types.d.ts" */

import { ConfigError, GpuError } from "./errors.js";

/**
 * Whether an adapter can run a variant, and should by itself.
 * @param {Variant} variant
 * @param {{has(feature: string): boolean}} features
 * @param {string[]} kinds what the adapter is (device.js)
 * @returns {boolean}
 */
export function suits(variant, features, kinds) {
  return (
    kinds.includes(variant.adapter ?? "any") &&
    variant.requires.every((feature) => features.has(feature))
  );
}

/**
 * The first variant whose features the device has, or the one asked for.
 * @param {Variant[]} variants the program's, in order of preference
 * @param {{has(feature: string): boolean}} features
 * @param {string} [name] "auto" or a variant's name
 * @param {string[]} [kinds] what the adapter is
 * @returns {Variant}
 */
export function chooseVariant(variants, features, name = "auto", kinds = ["any"]) {
  for (const variant of variants) {
    if (name === "auto" && suits(variant, features, kinds)) return variant;
    if (variant.name !== name) continue;
    const missing = variant.requires.filter((feature) => !features.has(feature));
    if (!missing.length) return variant;
    throw new GpuError(
      `variant ${name}: the device has no ${missing.join(", ")}. Choose auto or f32.`,
    );
  }
  const names = variants.map((variant) => variant.name).join(", ");
  throw new ConfigError(`variant '${name}': expected auto or one of ${names}.`);
}
