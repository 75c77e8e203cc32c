/** Bytes that are no binlog: thrown by the decoders, made into a coded error by those who know where the bytes came from. */
export class MalformedBinlogError extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = "MalformedBinlogError";
  }
}
