//! The static embedder that is part of the program.

use super::table::TokenTable;
use crate::tokens::Tokenizer;
use crate::{Result, SafetensorsFile};

const TABLE: &[u8] = include_bytes!("../../assets/static/model.safetensors");
const VOCABULARY: &[u8] = include_bytes!("../../assets/static/tokenizer.json");

/// Its identity, so that seven megabytes need not be hashed whenever it is opened.
pub(super) const ID: &str = "static-256-519c1c896f84";

/// The table and its identity.
pub(super) fn read() -> Result<(TokenTable, String)> {
    let tokenizer = Tokenizer::from_json("static/tokenizer.json", VOCABULARY)?;
    let table = TokenTable::of(&SafetensorsFile::from_static("static/model.safetensors", TABLE)?, tokenizer, true)?;
    Ok((table, ID.into()))
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use nootropic_core::EmbedRole;
    use nootropic_core::testing::embedder_suite;

    use super::*;
    use crate::LocalEmbedder;

    #[test]
    fn its_identity_is_that_of_its_files() {
        let file = SafetensorsFile::from_bytes("static/model.safetensors", TABLE).unwrap();
        let (table, id) = read().unwrap();
        assert_eq!(crate::embed::identity::of_table(&file, &table).unwrap(), id);
        assert!(TABLE.len() + VOCABULARY.len() <= 8_000_000, "it is to be small");
    }

    #[test]
    fn it_keeps_the_contract_and_knows_what_code_means() {
        let embedder = LocalEmbedder::built_in().unwrap();
        block_on(embedder_suite(&embedder));
        let embed = |text: &str| embedder.embed_now(&[text], EmbedRole::Document).unwrap().remove(0);
        let question = embed("wait longer between retries");
        let near = question.cosine(&embed("fn back_off(attempt: u32) { sleep(BASE * 2u32.pow(attempt)) }")).unwrap();
        let far = question
            .cosine(&embed("fn parse_header(line: &str) -> Option<(&str, &str)> { line.split_once(':') }"))
            .unwrap();
        assert!(near > far + 0.1, "{near} {far}");
        assert_eq!(embed("HTTPServer2").as_slice(), embed("http_server_2").as_slice());
    }
}
