"use strict";
// A stream with metadata, one without, one that fails in the middle, and one that fails at once.
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const path = event.rawPath;
  if (path === "/fails") throw new Error("secret-detail");
  if (path === "/plain") {
    stream.write("plain ");
    stream.end("text");
    return;
  }
  const metadata = { statusCode: 201, headers: { "content-type": "text/html", "x-made": "yes" }, cookies: ["a=1", "b=2"] };
  const response = awslambda.HttpResponseStream.from(stream, metadata);
  response.write("<p>first</p>");
  await new Promise((resolve) => setTimeout(resolve, 300));
  response.end("<p>second</p>");
});
