//! Sends spans to an OpenTelemetry collector: OTLP over HTTP, in batches, off the hot path.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracerProvider};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

use crate::config::{ConfigError, TracesConfig};

/// A collector that does not answer costs a batch, and a process that ends waits this long.
const SEND_WAIT: Duration = Duration::from_secs(2);

/// What sends spans of `service` to the collector that `config` names.
pub(super) fn provider(
    config: &TracesConfig,
    service: &'static str,
) -> Result<SdkTracerProvider, ConfigError> {
    let wrong = |reason: &dyn std::fmt::Display| {
        ConfigError::key("traces.endpoint", &config.endpoint, reason)
    };
    if !config.endpoint.starts_with("http://") {
        return Err(wrong(&"it begins with http://: a collector stands beside the process"));
    }
    if !(0.0..=1.0).contains(&config.ratio) {
        return Err(ConfigError::key("traces.ratio", config.ratio, "it is 0 to 1"));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&config.endpoint)
        .with_http_client(OnRuntime::new().map_err(|error| wrong(&error))?)
        .with_retry_policy(RetryPolicy::disabled())
        .build()
        .map_err(|error| wrong(&error))?;
    let resource = Resource::builder_empty()
        .with_attribute(KeyValue::new("service.name", service))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.ratio)));
    Ok(SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
        .with_resource(resource)
        .with_sampler(sampler)
        .build())
}

/// The exporter's thread has no runtime; requests run on that of the process.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: &'static OnceLock<Handle>,
}

impl OnRuntime {
    fn new() -> Result<Self, reqwest::Error> {
        // Plain HTTP alone is spoken; the library wants a TLS of some kind all the same.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .timeout(SEND_WAIT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if let Ok(tls) =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
        {
            let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
            client = client.tls_backend_preconfigured(tls);
        }
        Ok(Self { client: client.build()?, runtime: &super::RUNTIME })
    }
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let request = request.try_into()?;
        let runtime = self.runtime.get().ok_or("the process does not run yet")?;
        let answered = runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = answered.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}
