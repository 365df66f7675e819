/** Padding that hides a payload's exact length (docs/reference/format-encryption.md, "Padding"). */

/** Return the length up to which the Padmé rule pads: at most 12 % more, and few lengths in all.
 *
 * Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019. */
export function getPaddedLength(length: number): number {
  if (length <= 1) return length;
  const exponent = length.toString(2).length - 1;
  const zeroBits = exponent - exponent.toString(2).length;
  const step = 2 ** zeroBits;
  return Math.ceil(length / step) * step;
}
