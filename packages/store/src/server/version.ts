/** What a store says that it is. */

/** For the placement driver, which compares the versions of all stores. */
export const storeVersion = "8.5.0";

/** The text of `-V`, and of the log's first line. */
export function versionText(nodeVersion: string): string {
  return [
    "TiKV",
    `Release Version:   ${storeVersion}`,
    "Edition:           Skein",
    "Git Commit Hash:   None",
    "Git Commit Branch: None",
    "UTC Build Time:    None",
    `Rust Version:      none (Node.js ${nodeVersion})`,
    "Enable Features:   None",
    "Profile:           release",
    "",
  ].join("\n");
}
