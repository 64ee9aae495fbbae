// The context of the caller is in the ClientContext, under W3C's names.
const { ROOT_CONTEXT, SpanKind, propagation, trace } = require("@opentelemetry/api");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-proto");
const { NodeTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-node");

const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter())] });
provider.register();

exports.handler = async (event, context) => {
  const custom = context.clientContext?.custom ?? context.clientContext?.Custom ?? {};
  const parent = propagation.extract(ROOT_CONTEXT, custom);
  const span = trace.getTracer("otel-node").startSpan(context.functionName, { kind: SpanKind.SERVER }, parent);
  span.end();
  await provider.forceFlush();
  return event.id;
};
