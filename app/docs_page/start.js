// Swagger UI on this server's own document. Nothing is asked of any other host.
// https://swagger.io/docs/open-source-tools/swagger-ui/usage/configuration/

// Where the page is, which may be below a path of a proxy; the document only says "/".
const base = new URL(".", document.baseURI).href.replace(/\/$/, "");
const here = {
  statePlugins: {
    spec: {
      wrapActions: {
        updateJsonSpec: (update) => (spec) => update({ ...spec, servers: [{ url: base }] }),
      },
    },
  },
};

SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: "./openapi.json",
  plugins: [here],
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // Otherwise a badge would send the document's address to its makers.
  validatorUrl: null,
});
