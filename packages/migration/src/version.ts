/** The text of `-V` and of `/status`: six labelled lines and an empty one, as scripts know them. */
export const releaseVersion = "v8.5.0-skein-0.1.0";

export function versionText(): string {
  return [
    `Release Version: ${releaseVersion}`,
    "Git Commit Hash: None",
    "Git Branch: None",
    "UTC Build Time: None",
    `Go Version: none (Node.js ${process.version})`,
    "Failpoint Build: false",
    "",
    "",
  ].join("\n");
}
