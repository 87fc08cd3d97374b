// Builds into the Python package. Names of assets are hashed, so the server lets browsers keep them for ever;
// each is also there compressed (.br, .gz), so the server compresses nothing while it answers.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const output = join(import.meta.dirname, "../src/sympozium/server/web");

function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(output, { recursive: true, encoding: "utf8" })) {
        const path = join(output, name);
        if (!/\.(js|css|html|svg)$/.test(name) || !statSync(path).isFile()) continue;
        const content = readFileSync(path);
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
        writeFileSync(`${path}.br`, brotliCompressSync(content, quality));
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  // Relative, so that the dashboard also works beneath a path of an ingress.
  base: "./",
  plugins: [precompress()],
  build: {
    outDir: output,
    emptyOutDir: true,
    target: "es2022",
    // light-dark() as it is written: all three have it since May 2024.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // An asset inlined as a data: URL would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      "/api": { target: process.env.SYMPOZIUM_SERVER ?? "http://127.0.0.1:8080", changeOrigin: true },
    },
  },
});
