/** The command that asks the same of this server. */

/** The default line answers at the short address. */
export function curlLine(line: { name: string; default: boolean }, fileName: string, origin: string): string {
  const path = line.default ? "/predict" : `/api/v1/lines/${encodeURIComponent(line.name)}/classify`;
  return `curl -F ${shellWord(fileName)} ${origin}${path}`;
}

/** `image=@name`, quoted where the shell or curl (which splits at ; and ,) would misread it. */
function shellWord(name: string): string {
  if (/^[\w.][\w.-]*$/.test(name)) return `image=@${name}`;
  const forCurl = name.replace(/[\\"]/g, "\\$&");
  return `'image=@"${forCurl.replaceAll("'", "'\\''")}"'`;
}
