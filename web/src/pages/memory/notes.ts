/** Words about notes. */
interface Sized {
  bytes: number;
  maxBytes?: number | null;
}

/** How much of the room is used. */
export function share({ bytes, maxBytes }: Sized): string {
  const size = bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`;
  return maxBytes ? `${size}, ${Math.ceil((100 * bytes) / maxBytes)} %` : size;
}

/** The first line that says something. */
export function firstLine(text: string): string {
  return (
    text
      .split("\n")
      .map((line) => line.trim())
      .find((line) => line !== "") ?? ""
  );
}
