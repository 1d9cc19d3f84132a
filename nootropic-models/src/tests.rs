//! What is recorded is replayed, and nothing else.

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use futures_util::StreamExt;
use nootropic_core::reference::{Reply, ScriptedModel};
use nootropic_core::{ErrorKind, GenerateRequest, Message, Model, ModelExt, testing};

use crate::{Error, Recorder, Replay};

/// A file in memory that can be read while it is written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn replay(&self) -> Replay {
        Replay::new("memory", Cursor::new(self.0.lock().unwrap().clone())).unwrap()
    }
}

fn recorder(model: ScriptedModel) -> (Recorder<ScriptedModel>, Shared) {
    let tape = Shared::default();
    (Recorder::new(model, "memory", tape.clone()).unwrap(), tape)
}

fn source(error: &nootropic_core::Error) -> &Error {
    std::error::Error::source(error).and_then(|source| source.downcast_ref()).expect("an error of this crate")
}

#[test]
fn a_recorder_and_its_replay_keep_the_contract() {
    let (recorder, tape) = recorder(ScriptedModel::echo());
    block_on(testing::model_suite(&recorder, None));
    recorder.finish().unwrap();
    let replay = tape.replay();
    assert!(replay.left() > 10);
    block_on(testing::model_suite(&replay, None));
    assert_eq!(replay.left(), 0, "the same questions were asked");
}

#[test]
fn dropping_a_recorded_stream_cancels_the_model() {
    let model = Arc::new(ScriptedModel::new([Reply { hangs: true, ..Reply::text("one two") }]));
    let tape = Shared::default();
    let recorder = Recorder::new(model.clone(), "memory", tape.clone()).unwrap();
    let request = GenerateRequest::text("go");
    let first = block_on(async {
        let mut stream = recorder.generate(request.clone()).await.unwrap();
        stream.next().await.unwrap().unwrap()
    });
    assert_eq!((model.running(), model.cancelled()), (0, 1));

    let replayed: Vec<_> = block_on(async { tape.replay().generate(request).await.unwrap().collect().await });
    assert_eq!(replayed.len(), 2);
    assert_eq!(*replayed[0].as_ref().unwrap(), first);
    assert!(matches!(source(replayed[1].as_ref().unwrap_err()), Error::CutShort { events: 1, .. }));
}

#[test]
fn the_same_question_gets_its_answers_in_order() {
    let (recorder, tape) =
        recorder(ScriptedModel::new([Reply::text("first"), Reply::text("other"), Reply::text("second")]));
    let ask =
        |model: &dyn Model, text: &str| block_on(model.complete(GenerateRequest::text(text))).map(|answer| answer.text);
    for text in ["a", "b", "a"] {
        ask(&recorder, text).unwrap();
    }
    let replay = tape.replay();
    let answers: Vec<_> = ["b", "a", "a"].into_iter().map(|text| ask(&replay, text).unwrap()).collect();
    assert_eq!(answers, ["other", "first", "second"]);
    assert!(matches!(source(&ask(&replay, "a").unwrap_err()), Error::NotRecorded { .. }));
}

#[test]
fn another_question_is_refused_and_says_where_it_differs() {
    let (recorder, tape) = recorder(ScriptedModel::echo());
    let request = |text: &str| GenerateRequest::chat([Message::system("Be brief."), Message::user(text)]);
    block_on(recorder.complete(request("Hello"))).unwrap();
    let replay = tape.replay();
    let error = block_on(replay.complete(request("Goodbye"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let Error::NotRecorded { difference, .. } = source(&error) else { panic!("{error:?}") };
    assert_eq!(difference, r#"the next one recorded has "Hello" at /prompt/chat/1/text, not "Goodbye""#);
    let mut warmer = request("Hello");
    warmer.sampling.temperature = 0.5;
    let error = block_on(replay.complete(warmer)).unwrap_err();
    assert!(source(&error).to_string().contains("/sampling/temperature"), "{:?}", source(&error));
    assert_eq!(replay.left(), 1, "what does not match is not used up");
}

#[test]
fn failures_are_replayed_with_their_kind() {
    let failing = Reply { failure: Some((ErrorKind::Unavailable, "line cut".into())), ..Reply::text("so far") };
    let (recorder, tape) = recorder(ScriptedModel::new([failing]));
    let request = GenerateRequest::text("go");
    let events = |model: &dyn Model| -> Vec<_> {
        block_on(async {
            model.generate(request.clone()).await.unwrap().map(|e| e.map_err(|e| e.kind())).collect().await
        })
    };
    let recorded = events(&recorder);
    assert_eq!(recorded.last(), Some(&Err(ErrorKind::Unavailable)));
    assert_eq!(events(&tape.replay()), recorded);
}

#[test]
fn a_damaged_cassette_is_refused_with_its_line() {
    let (recorder, tape) = recorder(ScriptedModel::echo());
    for text in ["a", "b"] {
        block_on(recorder.complete(GenerateRequest::text(text))).unwrap();
    }
    let whole = String::from_utf8(tape.0.lock().unwrap().clone()).unwrap();
    let read = |text: &[u8]| Replay::new("memory", Cursor::new(text.to_vec()));
    let line = |result: Result<Replay, Error>| match result {
        Err(Error::Damaged { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(read(whole.as_bytes()).unwrap().left(), 2);
    assert_eq!(line(read(&whole.as_bytes()[..whole.len() - 9])), 3);
    assert_eq!(line(read(b"")), 1);
    assert_eq!(line(read(b"{}\n")), 1);
    assert_eq!(line(read(&[whole.lines().next().unwrap().as_bytes(), b"\n\xff\n"].concat())), 2);
    let newer = whole.replacen(r#""cassette":1"#, r#""cassette":2"#, 1);
    assert!(matches!(read(newer.as_bytes()), Err(Error::Version { found: 2, known: 1, .. })));
}

/// A disk with no room but for the first line.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += 1;
        if self.0 > 1 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_not_kept_quiet() {
    let recorder = Recorder::new(ScriptedModel::echo(), "memory", Full(0)).unwrap();
    block_on(recorder.complete(GenerateRequest::text("a"))).unwrap();
    assert_eq!(recorder.finish().unwrap_err().kind(), ErrorKind::StorageFull);
    let next = block_on(recorder.complete(GenerateRequest::text("b"))).unwrap_err();
    assert_eq!(next.kind(), ErrorKind::StorageFull);
}

#[test]
fn a_missing_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none").join("tape.jsonl");
    assert_eq!(Replay::open(&missing).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Recorder::create(ScriptedModel::echo(), &missing).unwrap_err().kind(), ErrorKind::NotFound);
}
