/**
 * The demo's data: a shop, its customer relations and its sensors, with all common column types. The server itself makes the
 * rows from a sequence and hashes of its numbers: the same count gives the same rows, a few million within seconds.
 */

export interface DemoTable {
  readonly schema: string;
  readonly name: string;
  readonly create: string;
  readonly rows: number;
  /** Rows with sequence numbers `from` … `to`. */
  insert(from: number, to: number): string;
}

export const demoSchemas = ["shop", "crm", "metrics"] as const;

/** A number of 0 … below-1 that looks random, from a row's number. */
const draw = (salt: number, below: number) => `(CAST(CRC32(CONCAT(seq, '/${salt}')) AS SIGNED) % ${below})`;
const pick = (salt: number, items: readonly string[]) =>
  `ELT(1 + ${draw(salt, items.length)}, ${items.map((item) => `'${item}'`).join(", ")})`;
const sequence = (from: number, to: number) => `FROM shop.seq_${from}_to_${to}`;
const moment = (salt: number) => `'2021-01-01' + INTERVAL ${draw(salt, 100_000_000)} SECOND`;

const cities = ["Lisbon", "Kraków", "São Paulo", "東京", "München", "Αθήνα", "Oslo", "القاهرة"];
const first = ["Ana", "Björn", "Chloé", "Dmitri", "Élodie", "Fatima", "Gül", "Hana", "Ivo", "Jörg"];
const last = ["Silva", "Nowak", "Müller", "O\\'Neill", "García", "Ødegaard", "Tanaka", "Ünal"];
const words = ["quiet", "river", "amber", "north", "copper", "willow", "signal", "harbour", "lantern", "meadow"];

export function demoTables(totalRows: number): DemoTable[] {
  const share = (part: number) => Math.max(10, Math.round(totalRows * part));
  const customers = share(0.12);
  const products = share(0.03);
  const orders = share(0.25);
  const itemsPerOrder = 3;
  return [
    {
      schema: "shop",
      name: "customer",
      rows: customers,
      create: `CREATE TABLE shop.customer (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(120) NOT NULL, name VARCHAR(80) NOT NULL,
        city VARCHAR(60) NOT NULL DEFAULT '', born DATE NULL, balance DECIMAL(12,2) NOT NULL DEFAULT 0, flags BIT(8) NOT NULL DEFAULT b'0',
        tier ENUM('bronze','silver','gold') NOT NULL DEFAULT 'bronze', interests SET('music','books','sport','food') NOT NULL DEFAULT '',
        settings JSON NULL, created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE KEY email (email), KEY city (city, tier))`,
      insert: (from, to) => `INSERT INTO shop.customer SELECT seq, CONCAT('user', seq, '@example.org'),
        CONCAT(${pick(1, first)}, ' ', ${pick(2, last)}), ${pick(3, cities)}, IF(${draw(4, 10)} = 0, NULL, '1940-01-01' + INTERVAL ${draw(5, 25_000)} DAY),
        ${draw(6, 1_000_000)} / 100 - 2000, ${draw(7, 256)}, 1 + ${draw(8, 3)}, ${draw(9, 16)},
        IF(${draw(10, 4)} = 0, NULL, CONCAT('{"theme": "', ${pick(11, ["dark", "light"])}, '", "size": ', ${draw(12, 40)}, ', "tags": ["', ${pick(13, words)}, '"]}')),
        ${moment(14)} ${sequence(from, to)}`,
    },
    {
      schema: "shop",
      name: "product",
      rows: products,
      create: `CREATE TABLE shop.product (
        sku VARCHAR(20) NOT NULL PRIMARY KEY, title VARCHAR(200) NOT NULL, price DECIMAL(10,2) NOT NULL, weight FLOAT NULL, rating DOUBLE NULL,
        stock INT NOT NULL DEFAULT 0, picture VARBINARY(64) NULL, description TEXT CHARACTER SET latin1 NULL, added YEAR NOT NULL,
        gross DECIMAL(12,2) AS (price * 1.19) STORED)`,
      insert: (from, to) => `INSERT INTO shop.product (sku, title, price, weight, rating, stock, picture, description, added)
        SELECT CONCAT('SKU-', LPAD(seq, 8, '0')), CONCAT(${pick(20, words)}, ' ', ${pick(21, words)}), 1 + ${draw(22, 100_000)} / 100, ${draw(23, 5000)} / 7,
        ${draw(24, 500)} / 100, ${draw(25, 1000)}, UNHEX(SHA2(seq, 256)), CONCAT('Größe ', ${draw(26, 60)}, ', ', REPEAT(CONCAT(${pick(27, words)}, ' '), 3 + ${draw(28, 20)})),
        2000 + ${draw(29, 25)} ${sequence(from, to)}`,
    },
    {
      schema: "shop",
      name: "ord",
      rows: orders,
      create: `CREATE TABLE shop.ord (
        id BIGINT UNSIGNED NOT NULL PRIMARY KEY, customer_id BIGINT UNSIGNED NOT NULL, status ENUM('new','paid','sent','returned') NOT NULL,
        total DECIMAL(12,2) NOT NULL, placed DATETIME(6) NOT NULL, paid_at TIMESTAMP NULL, note TINYTEXT NULL, KEY customer (customer_id), KEY placed (placed))`,
      insert: (from, to) => `INSERT INTO shop.ord SELECT seq, 1 + ${draw(30, customers)}, 1 + ${draw(31, 4)}, ${draw(32, 500_000)} / 100,
        '2021-01-01' + INTERVAL ${draw(33, 2_000_000_000)} * 50000 MICROSECOND, IF(${draw(34, 3)} = 0, NULL, ${moment(35)}),
        IF(${draw(36, 5)} = 0, CONCAT('ring twice, ', ${pick(37, words)}), NULL) ${sequence(from, to)}`,
    },
    {
      schema: "shop",
      name: "order_item",
      rows: share(0.42),
      create: `CREATE TABLE shop.order_item (
        order_id BIGINT UNSIGNED NOT NULL, line SMALLINT UNSIGNED NOT NULL, sku VARCHAR(20) NOT NULL, quantity MEDIUMINT UNSIGNED NOT NULL,
        price DECIMAL(10,2) NOT NULL, gift TINYINT(1) NOT NULL DEFAULT 0, PRIMARY KEY (order_id, line))`,
      insert: (from, to) => `INSERT INTO shop.order_item SELECT 1 + (seq - 1) DIV ${itemsPerOrder}, 1 + (seq - 1) % ${itemsPerOrder},
        CONCAT('SKU-', LPAD(1 + ${draw(40, products)}, 8, '0')), 1 + ${draw(41, 9)}, 1 + ${draw(42, 100_000)} / 100, ${draw(43, 2)} ${sequence(from, to)}`,
    },
    {
      schema: "crm",
      name: "contact",
      rows: share(0.08),
      create: `CREATE TABLE crm.contact (
        id CHAR(36) CHARACTER SET ascii NOT NULL PRIMARY KEY, customer_id BIGINT UNSIGNED NOT NULL, kind ENUM('call','mail','visit') NOT NULL,
        at DATETIME(3) NOT NULL, duration TIME(1) NULL, place POINT NULL, body MEDIUMTEXT NULL, attachment BLOB NULL, KEY customer (customer_id, at))`,
      insert: (
        from,
        to,
      ) => `INSERT INTO crm.contact SELECT INSERT(INSERT(INSERT(INSERT(LEFT(SHA2(seq, 256), 32), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-'),
        1 + ${draw(50, customers)}, 1 + ${draw(51, 3)}, ${moment(52)} + INTERVAL ${draw(53, 1000)} * 1000 MICROSECOND, SEC_TO_TIME(${draw(54, 72_000)} / 10),
        IF(${draw(55, 2)} = 0, NULL, POINT(${draw(56, 360)} - 180, ${draw(57, 180)} - 90)), REPEAT(CONCAT(${pick(58, words)}, ' ', ${pick(59, cities)}, '. '), ${draw(60, 12)}),
        IF(${draw(61, 4)} = 0, UNHEX(SHA2(CONCAT(seq, 'x'), 512)), NULL) ${sequence(from, to)}`,
    },
    {
      schema: "metrics",
      name: "sample",
      rows: share(0.1),
      create: `CREATE TABLE metrics.sample (
        sensor SMALLINT UNSIGNED NOT NULL, at DATETIME NOT NULL, value DOUBLE NOT NULL, quality TINYINT NOT NULL, raw BINARY(4) NULL, PRIMARY KEY (sensor, at))`,
      insert: (
        from,
        to,
      ) => `INSERT INTO metrics.sample SELECT seq % 100, '2024-01-01' + INTERVAL seq MINUTE, SIN(seq / 50) * 20 + ${draw(70, 100)} / 30,
        ${draw(71, 128)} - 64, UNHEX(LPAD(HEX(${draw(72, 1_000_000)}), 8, '0')) ${sequence(from, to)}`,
    },
  ];
}
