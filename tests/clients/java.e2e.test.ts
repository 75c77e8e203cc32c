import { stockClientSuite } from "./suite.ts";

stockClientSuite({ client: "java", keys: "java", rawChecks: 9, txnChecks: 6 });
