//! The suite passes on a model that keeps the contract and fails on models that break one clause each.

use std::sync::Mutex;

use async_trait::async_trait;
use futures_executor::block_on;
use futures_util::stream;
use serde_json::json;

use super::*;
use crate::reference::{Reply, ScriptedModel};
use crate::testing::failure_of;
use crate::{ModelInfo, ModelStream};

#[test]
fn the_reference_keeps_the_contract() {
    let model = ScriptedModel::echo();
    block_on(model_suite(&model, Some(&|| model.running())));
    assert!(model.cancelled() > 0, "the suite drops streams");
}

#[test]
fn a_model_that_does_less_keeps_it_too() {
    let full = ScriptedModel::echo();
    for features in [
        ModelFeatures { text: true, ..ModelFeatures::default() },
        ModelFeatures { chat: true, response_schema: true, ..ModelFeatures::default() },
        ModelFeatures { infill: true, ..ModelFeatures::default() },
    ] {
        let info = ModelInfo { features, context_len: 100, ..full.info().clone() };
        block_on(model_suite(&ScriptedModel::echo().with_info(info), None));
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    NoUsage,
    TalksOn,
    EmptyPieces,
    Drifts,
    IgnoresMaxTokens,
    IgnoresStop,
    StopsTooEarly,
    TakesNonsense,
    InventsTools,
    BadToolInput,
    NeverCalls,
    IgnoresSchema,
    HidesLogprobs,
    LeaksOnDrop,
    CutsPrompts,
    WrongNumbers,
    IgnoresWhatItLacks,
}

struct Flawed {
    inner: ScriptedModel,
    info: ModelInfo,
    flaw: Flaw,
    kept: Mutex<Vec<ModelStream>>,
    count: std::sync::atomic::AtomicUsize,
}

impl std::fmt::Debug for Flawed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.flaw)
    }
}

impl Flawed {
    fn new(flaw: Flaw) -> Self {
        let inner = match flaw {
            Flaw::InventsTools => ScriptedModel::answering(|request| match request.tools.is_empty() {
                true => Reply::text("a plain answer of words"),
                false => Reply::tool_call("dance", json!({})),
            }),
            Flaw::BadToolInput => ScriptedModel::answering(|request| match request.tools.first() {
                None => Reply::text("a plain answer of words"),
                Some(tool) => Reply::tool_call(&tool.name, json!({})),
            }),
            Flaw::NeverCalls | Flaw::IgnoresSchema => {
                ScriptedModel::answering(|_| Reply::text("a plain answer of words"))
            }
            _ => ScriptedModel::echo(),
        };
        let mut info = inner.info().clone();
        info.features.infill = flaw != Flaw::IgnoresWhatItLacks;
        info.features.tools = flaw != Flaw::IgnoresSchema;
        Self { inner, info, flaw, kept: Mutex::default(), count: 0.into() }
    }

    fn next(&self) -> usize {
        self.count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }
}

#[async_trait]
impl Model for Flawed {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn count_tokens(&self, request: &GenerateRequest) -> Result<usize> {
        self.inner.count_tokens(request).await
    }

    async fn generate(&self, mut request: GenerateRequest) -> Result<ModelStream> {
        match self.flaw {
            Flaw::IgnoresMaxTokens => request.max_tokens = None,
            Flaw::IgnoresStop => request.stop.clear(),
            Flaw::StopsTooEarly if !request.stop.is_empty() => request.max_tokens = Some(1),
            Flaw::TakesNonsense if request.check(&self.info.features).is_err() => {
                request = GenerateRequest::new(request.prompt);
            }
            Flaw::CutsPrompts => cut(&mut request.prompt),
            Flaw::Drifts if self.next() % 3 == 1 => request.prompt = Prompt::Text("something else".into()),
            _ => {}
        }
        let stream = self.inner.generate(request.clone()).await.map_err(|error| match error {
            Error::PromptTooLong { got, max } if self.flaw == Flaw::WrongNumbers => {
                Error::PromptTooLong { got: max, max: got }
            }
            error => error,
        })?;
        if self.flaw == Flaw::LeaksOnDrop {
            let another = self.inner.generate(request).await?;
            self.kept.lock().unwrap().push(another);
        }
        let flaw = self.flaw;
        let bent = stream.filter(move |event| {
            let hidden = match event {
                Ok(ModelEvent::Usage(_)) => flaw == Flaw::NoUsage,
                Ok(ModelEvent::Logprobs(_)) => flaw == Flaw::HidesLogprobs,
                _ => false,
            };
            std::future::ready(!hidden)
        });
        let piece = |text: &str| Ok(ModelEvent::Text { text: text.into() });
        let before = stream::iter((flaw == Flaw::EmptyPieces).then(|| piece("")));
        let after = stream::iter((flaw == Flaw::TalksOn).then(|| piece("and another thing")));
        Ok(Box::pin(before.chain(bent).chain(after)))
    }
}

fn cut(prompt: &mut Prompt) {
    if let Prompt::Chat(messages) = prompt {
        for message in messages {
            if let Message::User { text } = message {
                text.truncate(1000);
            }
        }
    }
}

#[test]
fn broken_models_are_noticed() {
    for (flaw, clause) in [
        (Flaw::NoUsage, "one usage and one finish"),
        (Flaw::TalksOn, "one usage and one finish"),
        (Flaw::EmptyPieces, "no piece of text is empty"),
        (Flaw::Drifts, "the same request gives the same answer"),
        (Flaw::IgnoresMaxTokens, "at most max_tokens"),
        (Flaw::IgnoresStop, "no stop string"),
        (Flaw::StopsTooEarly, "ends the answer where it begins"),
        (Flaw::TakesNonsense, "makes no sense"),
        (Flaw::InventsTools, "names a tool"),
        (Flaw::BadToolInput, "obeys the schema"),
        (Flaw::NeverCalls, "choice of tools"),
        (Flaw::IgnoresSchema, "obeys the schema"),
        (Flaw::HidesLogprobs, "each token has its log-probability"),
        (Flaw::LeaksOnDrop, "cancels its generation"),
        (Flaw::CutsPrompts, "refused with both numbers"),
        (Flaw::WrongNumbers, "refused with both numbers"),
        (Flaw::IgnoresWhatItLacks, "not ignored"),
    ] {
        let model = Flawed::new(flaw);
        let failure = failure_of(|| block_on(model_suite(&model, Some(&|| model.inner.running()))));
        assert!(failure.contains(clause), "{flaw:?} failed with another clause: {failure}");
    }
}
