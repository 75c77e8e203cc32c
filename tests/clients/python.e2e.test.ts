import { stockClientSuite } from "./suite.ts";

stockClientSuite({ client: "python", keys: "py", rawChecks: 6, txnChecks: 10 });
