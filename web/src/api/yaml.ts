/** Objects as YAML. The library is loaded with the first object that is shown. */
export async function toYaml(object: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });
}
