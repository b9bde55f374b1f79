// usage: node verify.mjs BUNDLE PUBLIC-KEY PORT
// Verifies a bundle by a public key with @sigstore/verify, and says whether it could reach a server on this machine.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";

// The modules lie where the tests installed them, not beside this file.
const require = createRequire(`${process.env.WEIGHLOCK_INTEROP}/`);
const { bundleFromJSON } = require("@sigstore/bundle");
const { crypto } = require("@sigstore/core");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const [, , bundlePath, keyPath, port] = process.argv;

const reached = await new Promise((resolve) => {
  try {
    const socket = net.connect({ host: "127.0.0.1", port: Number(port) });
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  } catch {
    resolve(false);
  }
});

const answer = { reached, verified: false, payload: null, error: null };
try {
  const bundle = bundleFromJSON(JSON.parse(readFileSync(bundlePath, "utf8")));
  const publicKey = crypto.createPublicKey(readFileSync(keyPath, "utf8"));
  const nothing = { mediaType: "", tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
  const material = toTrustMaterial(nothing, () => ({ publicKey, validFor: () => true }));
  const verifier = new Verifier(material, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });
  verifier.verify(toSignedEntity(bundle));
  answer.verified = true;
  answer.payload = bundle.content.dsseEnvelope.payload.toString("utf8");
} catch (error) {
  answer.error = `${error.name}: ${error.message}`;
}
console.log(JSON.stringify(answer));
