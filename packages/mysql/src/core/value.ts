/**
 * One value of one column on the hot path, from the binlog or from a text result set.
 *
 * Kind of column                          | value
 * ----------------------------------------|---------------------------------------------------------------
 * tinyint … int, year, float, double      | number (float: the shortest text that reads back as the same float32)
 * bigint                                  | number when it is a safe integer, else bigint
 * bit                                     | number when it is a safe integer, else bigint (an unsigned integer)
 * decimal                                 | text, all digits kept: `-12.50`
 * date, time, datetime, timestamp         | text as the server prints it: `2024-01-31 23:59:59.000100`, `0000-00-00`, `-838:59:59`; timestamp in UTC
 * char, varchar, text, binary, blob …     | ByteString in the column's charset
 * enum, set                               | ByteString: the member's name(s), utf8mb4; number when the names are not known
 * json                                    | ByteString: JSON text, utf8mb4
 * geometry, vector, uuid, inet …          | ByteString: the server's internal bytes (geometry: SRID + WKB)
 * any                                     | null
 */
export type Value = null | number | bigint | string;

/**
 * Bytes carried in a JavaScript string, one character (0 … 255) a byte. V8 keeps such strings as bytes, concatenates them
 * without a copy, and `Buffer.from(text, "latin1")` gives the bytes back: building SQL from them keeps every charset exact.
 */
export type ByteString = string;

/** The values of a row, in the order of the table's columns. */
export type Row = readonly Value[];
