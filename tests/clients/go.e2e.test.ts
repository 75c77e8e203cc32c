import { stockClientSuite } from "./suite.ts";

stockClientSuite({ client: "go", keys: "go", rawChecks: 11, txnChecks: 19 });
