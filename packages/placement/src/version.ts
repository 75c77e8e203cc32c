/** What this program calls itself to stores, clients and operators. */
export const releaseVersion = "v8.5.0-skein-0.1.0";

/** The text of `-V`. */
export function versionText(): string {
  return [
    `Release Version: ${releaseVersion}`,
    "Edition: Community",
    "Git Commit Hash: None",
    "Git Branch: None",
    "UTC Build Time:  None",
    "",
  ].join("\n");
}
