exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  for (const part of event.parts) stream.write(part);
  if (event.error) throw new TypeError(event.error);
  stream.end();
});
