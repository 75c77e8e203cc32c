import { stockClientSuite } from "./suite.ts";

stockClientSuite({ client: "java", keys: "java", rawChecks: 8, txnChecks: 6 });
