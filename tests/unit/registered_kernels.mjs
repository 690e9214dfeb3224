// Prints which kernels the compiled backends register that are named on the command line: [[backend, kernel], ...].

for (const address of process.argv.slice(2)) await import(address);
const registered = globalThis._tfGlobals.get("kernelRegistry").values();
console.log(JSON.stringify([...registered].map(({ backendName, kernelName }) => [backendName, kernelName])));
