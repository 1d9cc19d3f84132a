//! Blocks read as the reference reads them, and written well.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{FileType, ModelShape, TensorType};
use crate::random::Random;
use crate::{Dims, Error};

/// What `tests/fixtures/quant_reference.py` wrote, by numpy code that shares nothing with ours.
#[derive(Deserialize)]
struct Reference {
    /// By name: number, length and bytes of a block.
    types: BTreeMap<String, (u32, usize, usize)>,
    read: BTreeMap<String, Blocks>,
    numbers: String,
    written: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Blocks {
    blocks: String,
    numbers: String,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../tests/fixtures/quant_reference.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn numbers(hex: &str) -> Vec<f32> {
    bytes(hex).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn round_trip(kind: TensorType, input: &[f32]) -> Vec<f32> {
    let mut blocks = vec![0; kind.row_bytes(input.len() as u64).unwrap() as usize];
    kind.quantize(input, &mut blocks).unwrap();
    let mut output = vec![0.0; input.len()];
    kind.dequantize(&blocks, &mut output).unwrap();
    output
}

/// Root of the mean squared error, relative to that of the input.
fn relative_error(kind: TensorType, input: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let error: f64 = round_trip(kind, input).iter().zip(input).map(|(a, b)| square(a - b)).sum();
    (error / input.iter().map(|x| square(*x)).sum::<f64>()).sqrt()
}

fn writable() -> impl Iterator<Item = TensorType> {
    TensorType::all().filter(|kind| kind.can_quantize())
}

#[test]
fn the_table_of_types_is_ggmls() {
    let theirs = reference().types;
    for kind in TensorType::all() {
        let ours = (kind.id(), kind.block_len(), kind.block_bytes());
        match theirs.get(kind.name()) {
            // The reference still counts two f32 in Q8_1, which have been f16 in ggml since 2023.
            Some(theirs) if kind == TensorType::Q8_1 => assert_eq!((ours, theirs.2), ((9, 32, 36), 40)),
            Some(theirs) => assert_eq!(ours, *theirs, "{kind}"),
            None => assert!(matches!(kind, TensorType::Q1_0 | TensorType::Q2_0), "{kind} is not in the reference"),
        }
        assert_eq!(TensorType::from_id(kind.id()), Some(kind));
        assert_eq!(kind.name().to_lowercase().parse::<TensorType>().unwrap(), kind);
    }
    for name in theirs.keys() {
        assert!(TensorType::all().any(|kind| kind.name() == name), "{name} is missing");
    }
    for withdrawn in [4, 5, 31, 32, 33, 36, 37, 38, 43, u32::MAX] {
        assert_eq!(TensorType::from_id(withdrawn), None);
    }
}

#[test]
fn every_format_is_read_as_the_reference_reads_it() {
    let read = reference().read;
    for kind in TensorType::all().filter(|kind| kind.can_dequantize()) {
        let Blocks { blocks, numbers: expected } = &read[kind.name()];
        let (blocks, expected) = (bytes(blocks), numbers(expected));
        let mut found = vec![0.0; expected.len()];
        kind.dequantize(&blocks, &mut found).unwrap();
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.to_bits(), expected.to_bits(), "{kind}, number {i}: {found} is not {expected}");
        }
        // In one call or block by block: the same.
        let mut each = vec![0.0; expected.len()];
        for (blocks, numbers) in blocks.chunks(kind.block_bytes()).zip(each.chunks_mut(kind.block_len())) {
            kind.dequantize(blocks, numbers).unwrap();
        }
        assert_eq!(each, found);
    }
}

#[test]
fn simple_formats_are_written_byte_for_byte_as_the_reference_writes_them() {
    let Reference { numbers: input, written, .. } = reference();
    let input = numbers(&input);
    for (name, expected) in written {
        let kind: TensorType = name.parse().unwrap();
        let expected = bytes(&expected);
        let mut found = vec![0; expected.len()];
        kind.quantize(&input, &mut found).unwrap();
        for (block, (found, expected)) in
            found.chunks(kind.block_bytes()).zip(expected.chunks(kind.block_bytes())).enumerate()
        {
            assert_eq!(found, expected, "{kind}, block {block}");
        }
    }
}

/// Largest relative errors on a Gaussian: what ggml's own quantizer reaches on the same numbers (llama.cpp of 2026).
#[test]
fn little_is_lost() {
    use TensorType::*;
    let mut random = Random::new(1);
    let gaussian: Vec<f32> = (0..256 * 512).map(|_| random.normal() * 0.02).collect();
    let limits = [
        (F32, 0.0),
        (F16, 3e-4),
        (BF16, 2e-3),
        (Q8_0, 5.27e-3),
        (Q6_K, 1.750e-2),
        (Q5_K, 3.558e-2),
        (Q5_1, 3.74e-2),
        (Q5_0, 4.19e-2),
        (Q4_K, 7.057e-2),
        (Q4_1, 7.72e-2),
        (Q4_0, 8.45e-2),
    ];
    assert_eq!(limits.len(), writable().count());
    for (kind, limit) in limits {
        let error = relative_error(kind, &gaussian);
        assert!(error <= limit, "{kind} loses {error:.5}, at most {limit}");
    }
}

#[test]
fn unusual_rows_keep_their_shape() {
    let mut random = Random::new(2);
    let mut noise = |spread: f32| -> Vec<f32> { (0..256).map(|_| random.normal() * spread).collect() };
    let one_large = |at: usize, value: f32| {
        let mut row = vec![0.01; 256];
        row[at] = value;
        row
    };
    let rows = [
        ("zeros", vec![0.0; 256]),
        ("negative zeros", vec![-0.0; 256]),
        ("all the same", vec![0.3; 256]),
        ("all the same, negative", vec![-0.3; 256]),
        ("positive", noise(1.0).iter().map(|x| x.abs() + 1.0).collect()),
        ("one outlier", one_large(77, 30.0)),
        ("one negative outlier", one_large(200, -30.0)),
        ("large", noise(1.0).iter().map(|x| x.clamp(-3.0, 3.0) * 20_000.0).collect()),
        ("largest", (0..256).map(|i| if i % 2 == 0 { 65504.0 } else { -65504.0 }).collect()),
        ("small", noise(1e-3)),
        ("vanishing", noise(1e-9)),
        ("subnormal", noise(1e-40)),
    ];
    for (what, row) in &rows {
        let largest = row.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
        for kind in writable() {
            let steps = match kind.block_len() {
                1 => 128.0,
                _ => 2_f32.powf(kind.block_bytes() as f32 * 8.0 / kind.block_len() as f32 - 1.5),
            };
            // An f16 scale cannot be finer than 6e-8: rows that small become zero.
            let allowed = largest * 1.1 / steps + 2e-6;
            for (i, (found, expected)) in round_trip(kind, row).iter().zip(row).enumerate() {
                assert!((found - expected).abs() <= allowed, "{kind}, {what}, {i}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn what_cannot_be_converted_is_refused() {
    let mut blocks = [0; 144];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 65536.0] {
        let mut row = [0.5; 256];
        row[99] = bad;
        let error = TensorType::Q4_K.quantize(&row, &mut blocks).unwrap_err();
        assert!(matches!(&error, Error::Invalid { problem, .. } if problem.contains("number 99")), "{error}");
        assert!(TensorType::F32.quantize(&row[96..100], &mut blocks[..16]).is_ok());
    }
    for (numbers, bytes) in [(256, 143), (256, 145), (255, 144), (0, 144), (512, 144)] {
        let error = TensorType::Q4_K.quantize(&vec![0.0; numbers], &mut vec![0; bytes]).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }));
        let error = TensorType::Q4_K.dequantize(&vec![0; bytes], &mut vec![0.0; numbers]).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }));
    }
    for kind in TensorType::all() {
        let mut blocks = vec![0; kind.block_bytes()];
        let mut numbers = vec![0.0; kind.block_len()];
        let written = kind.quantize(&numbers, &mut blocks);
        assert_eq!(written.is_ok(), kind.can_quantize(), "{kind}");
        let read = kind.dequantize(&blocks, &mut numbers);
        assert_eq!(read.is_ok(), kind.can_dequantize(), "{kind}");
        assert!(read.is_ok() || matches!(read, Err(Error::UnsupportedType { .. })));
    }
    TensorType::Q4_K.quantize(&[], &mut []).unwrap();
}

#[test]
fn random_blocks_are_read_without_panic() {
    let mut random = Random::new(3);
    for kind in TensorType::all().filter(|kind| kind.can_dequantize()) {
        let mut blocks = vec![0; kind.block_bytes() * 64];
        blocks.fill_with(|| random.next_u64() as u8);
        kind.dequantize(&blocks, &mut vec![0.0; kind.block_len() * 64]).unwrap();
    }
}

/// How often each type occurs among the tensors of a model of 32 layers and 4096 columns, with an output matrix.
fn counts(mix: FileType, shape: &ModelShape) -> BTreeMap<&'static str, usize> {
    let square = Dims::new(&[4096, 4096]).unwrap();
    let mut names = vec!["token_embd.weight".to_owned(), "output.weight".to_owned(), "output_norm.weight".to_owned()];
    for layer in 0..shape.layers {
        let parts = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "attn_norm"];
        names.extend(parts.iter().map(|part| format!("blk.{layer}.{part}.weight")));
        names.push(format!("blk.{layer}.ffn_norm.weight"));
    }
    let mut counts = BTreeMap::new();
    for name in names {
        let dims = if name.contains("norm") { Dims::new(&[4096]).unwrap() } else { square };
        let kind = mix.tensor_type(&name, &dims, shape).map_or("as it is", TensorType::name);
        *counts.entry(kind).or_insert(0) += 1;
    }
    counts
}

/// llama.cpp prints these counts when it loads a Llama 2 7B.
#[test]
fn mixes_are_llama_cpps() {
    let shape = ModelShape { layers: 32, experts: 0, tied_embeddings: false };
    let expect = |mix, expected: &[(&'static str, usize)]| {
        assert_eq!(counts(mix, &shape), expected.iter().copied().collect(), "{mix}");
    };
    expect(FileType::Q4_K_M, &[("as it is", 65), ("Q4_K", 193), ("Q6_K", 33)]);
    expect(FileType::Q4_K_S, &[("as it is", 65), ("Q4_K", 217), ("Q5_K", 8), ("Q6_K", 1)]);
    expect(FileType::Q5_K_M, &[("as it is", 65), ("Q5_K", 193), ("Q6_K", 33)]);
    expect(FileType::Q6_K, &[("as it is", 65), ("Q6_K", 226)]);
    expect(FileType::Q4_0, &[("as it is", 65), ("Q4_0", 225), ("Q6_K", 1)]);
    expect(FileType::Q8_0, &[("as it is", 65), ("Q8_0", 226)]);
    expect(FileType::F16, &[("as it is", 65), ("F16", 226)]);
}

#[test]
fn mixes_give_way_where_blocks_do_not_fit() {
    let shape = ModelShape { layers: 24, experts: 0, tied_embeddings: true };
    let kind = |mix: FileType, name: &str, dims: &[u64]| mix.tensor_type(name, &Dims::new(dims).unwrap(), &shape);
    // Qwen2.5-0.5B: 896 columns are no multiple of 256.
    assert_eq!(kind(FileType::Q4_K_M, "token_embd.weight", &[896, 151_936]), Some(TensorType::Q8_0));
    assert_eq!(kind(FileType::Q4_K_M, "blk.5.attn_q.weight", &[896, 896]), Some(TensorType::Q5_0));
    assert_eq!(kind(FileType::Q4_K_M, "blk.0.attn_v.weight", &[896, 128]), Some(TensorType::Q8_0));
    assert_eq!(kind(FileType::Q5_K_S, "blk.5.attn_q.weight", &[896, 896]), Some(TensorType::Q5_1));
    assert_eq!(kind(FileType::Q4_K_M, "blk.5.ffn_down.weight", &[4864, 896]), Some(TensorType::Q6_K));
    assert_eq!(kind(FileType::Q4_0, "blk.5.attn_q.weight", &[40, 896]), Some(TensorType::F16));
    assert_eq!(kind(FileType::Q4_0, "blk.5.attn_q.bias", &[896]), None);
    assert_eq!(kind(FileType::Q4_0, "blk.5.ffn_gate_inp.weight", &[896, 64]), None);
    assert_eq!("q4_k_m".parse::<FileType>().unwrap(), FileType::Q4_K_M);
    assert!("q4_k_x".parse::<FileType>().is_err());
}

#[test]
fn experts_get_more_where_there_are_eight() {
    let shape = ModelShape { layers: 32, experts: 8, tied_embeddings: false };
    let kind = |name: &str, dims: &[u64]| FileType::Q4_K_M.tensor_type(name, &Dims::new(dims).unwrap(), &shape);
    assert_eq!(kind("blk.9.attn_v.weight", &[4096, 1024]), Some(TensorType::Q8_0));
    assert_eq!(kind("blk.9.attn_k.weight", &[4096, 1024]), Some(TensorType::Q8_0));
    assert_eq!(kind("blk.9.attn_output.weight", &[4096, 4096]), Some(TensorType::Q5_K));
    assert_eq!(kind("blk.8.ffn_down_exps.weight", &[14336, 4096, 8]), Some(TensorType::Q4_K));
    assert_eq!(kind("blk.9.ffn_down_exps.weight", &[14336, 4096, 8]), Some(TensorType::Q6_K));
}
