//! The share code: both cells in a short word that can be part of an address.
//!
//! ```text
//! code   = "d1" "." cell "." cell "." check      the normal cell, then the reduction cell
//! cell   = edge edge { edge edge } [ "-" state { state } ]
//! edge   = op state                              two for each node, in the order of the nodes
//! op     = "m" max_pool_3x3  | "a" avg_pool_3x3  | "i" skip_connect
//!        | "s" sep_conv_3x3  | "t" sep_conv_5x5  | "v" sep_conv_7x7
//!        | "d" dil_conv_3x3  | "e" dil_conv_5x5  | "x" conv_7x1_1x7
//! state  = a digit of base 36, "0" to "9" then "a" to "z": 0 and 1 are the cell's inputs, 2 + i is node i
//! check  = four digits of base 16, "0" to "9" then "a" to "f"
//! ```
//!
//! What follows a `-` is the cell's output, the states that are concatenated; without it, the output is all nodes in order.
//! The check is the CRC-16 with polynomial 0x1021, initial value 0xffff, most significant bit first and nothing inverted
//! (CRC-16/IBM-3740; 0x29b1 for `123456789`) of all characters before the last point. It finds any error within three
//! characters in a row, so that a letter mistaken or two exchanged never make another cell. `d1` is the version: a decoder
//! refuses a code that begins otherwise.
//!
//! DARTS_V2 is `d1.s0s1s0s1s1i0i0d2.m0m1i2m1m0i2i2m1.` and its check. Cells of the paper's space take 41 characters, each
//! published cell less than 60.

use super::{CellKind, Genotype, GenotypeError, Op};
use std::iter::Peekable;

const VERSION: &str = "d1";

const OPS: [(char, Op); 9] = [
    ('m', Op::MaxPool3x3),
    ('a', Op::AvgPool3x3),
    ('i', Op::SkipConnect),
    ('s', Op::SepConv3x3),
    ('t', Op::SepConv5x5),
    ('v', Op::SepConv7x7),
    ('d', Op::DilConv3x3),
    ('e', Op::DilConv5x5),
    ('x', Op::Conv7x1_1x7),
];

/// Why a text is no share code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It does not begin as a code does.
    #[error("it does not begin with {VERSION}. and so is no code of a known version")]
    Version,
    /// It has too few or too many parts.
    #[error("it has {0} parts between points, a code has 4")]
    Parts(usize),
    /// It was not copied right.
    #[error("its check is {found}, but the rest has {expected}: a character is wrong or missing")]
    Check {
        /// The check it has.
        found: String,
        /// The check of the rest.
        expected: String,
    },
    /// A character that does not belong where it is.
    #[error("character {at} should be {expected}")]
    Character {
        /// Which, from 1.
        at: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// Cells that cannot be built.
    #[error(transparent)]
    Genotype(#[from] GenotypeError),
}

impl Genotype {
    /// The share code of the cells.
    ///
    /// # Errors
    /// The cells are not well formed.
    pub fn code(&self) -> Result<String, GenotypeError> {
        self.check()?;
        let mut code = VERSION.to_owned();
        for kind in [CellKind::Normal, CellKind::Reduce] {
            let (ops, concat) = self.of(kind);
            code.push('.');
            for &(op, state) in ops {
                code.extend(OPS.iter().find(|known| known.1 == op).map(|known| known.0));
                code.push(digit(state));
            }
            if !concat.iter().copied().eq(all_nodes(ops.len())) {
                code.push('-');
                code.extend(concat.iter().copied().map(digit));
            }
        }
        Ok(format!("{code}.{}", check(&code)))
    }

    /// The cells of a share code.
    ///
    /// # Errors
    /// The text is no code, has a typing error, or names cells that cannot be built.
    pub fn from_code(code: &str) -> Result<Self, CodeError> {
        let Some(parts) = code.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('.')) else {
            return Err(CodeError::Version);
        };
        let parts: Vec<&str> = parts.split('.').collect();
        let &[normal, reduce, found] = parts.as_slice() else { return Err(CodeError::Parts(parts.len() + 1)) };
        let expected = check(&code[..code.len() - found.len() - 1]);
        if found != expected {
            return Err(CodeError::Check { found: found.to_owned(), expected });
        }
        let start = VERSION.len() + 2;
        let (normal, normal_concat) = cell(normal, start)?;
        let (reduce, reduce_concat) = cell(reduce, start + parts[0].chars().count() + 1)?;
        let genotype = Self { normal, normal_concat, reduce, reduce_concat };
        genotype.check()?;
        Ok(genotype)
    }
}

/// Whether a text begins as codes of any version do: `d`, digits, a point.
pub fn looks_like_code(text: &str) -> bool {
    let digits = text.strip_prefix('d').and_then(|rest| rest.split_once('.')).map(|(digits, _)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The ops of a cell, each with the state it reads, and the states of its output.
type Cell = (Vec<(Op, usize)>, Vec<usize>);

/// Reads a cell, the first character of which is character `start` of its code.
fn cell(text: &str, start: usize) -> Result<Cell, CodeError> {
    let mut characters = (start..).zip(text.chars()).peekable();
    let end = start + text.chars().count();
    let mut ops = Vec::new();
    while let Some((at, character)) = characters.next_if(|&(_, character)| character != '-') {
        let op = OPS.iter().find(|known| known.0 == character);
        let &(_, op) = op.ok_or(CodeError::Character { at, expected: "the letter of an op" })?;
        ops.push((op, state(&mut characters, end)?));
    }
    let mut concat: Vec<usize> = all_nodes(ops.len()).collect();
    if characters.next().is_some() {
        concat.clear();
        while characters.peek().is_some() {
            concat.push(state(&mut characters, end)?);
        }
    }
    Ok((ops, concat))
}

fn state(characters: &mut Peekable<impl Iterator<Item = (usize, char)>>, end: usize) -> Result<usize, CodeError> {
    let (at, character) = characters.next().unwrap_or((end, '.'));
    let value = character.to_digit(36).filter(|_| !character.is_ascii_uppercase());
    Ok(value.ok_or(CodeError::Character { at, expected: "the digit of a state" })? as usize)
}

/// The states of all nodes of a cell of that many ops.
fn all_nodes(ops: usize) -> std::ops::Range<usize> {
    2..ops / 2 + 2
}

/// The digit of a state of a well-formed cell.
fn digit(state: usize) -> char {
    u32::try_from(state).ok().and_then(|state| char::from_digit(state, 36)).unwrap_or('?')
}

fn check(text: &str) -> String {
    let crc = text.bytes().fold(0xffffu16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| (crc << 1) ^ if crc >> 15 == 1 { 0x1021 } else { 0 })
    });
    format!("{crc:04x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{PUBLISHED, published};

    fn cells() -> Vec<Genotype> {
        let mut cells: Vec<Genotype> = PUBLISHED.into_iter().map(|name| published(name).unwrap()).collect();
        cells.extend(Genotype::random(5, 500));
        let wide = (0..Genotype::MAX_NODES).flat_map(|node| [(Op::DilConv5x5, node), (Op::SepConv3x3, node + 1)]);
        let wide: Vec<_> = wide.collect();
        cells.push(Genotype {
            normal: wide.clone(),
            normal_concat: vec![35, 0, 1],
            reduce: wide,
            reduce_concat: vec![2],
        });
        cells
    }

    #[test]
    fn the_check_is_the_documented_one() {
        assert_eq!(check("123456789"), "29b1");
    }

    #[test]
    fn every_cell_comes_back() {
        for genotype in cells() {
            let code = genotype.code().unwrap();
            assert_eq!(Genotype::from_code(&code), Ok(genotype.clone()), "{code}");
            assert!(looks_like_code(&code));
            assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)), "{code}");
            match genotype.check_derived() {
                Ok(()) => assert_eq!(code.len(), 41),
                Err(_) => assert!(code.len() < 60 || genotype.normal.len() > 10, "{code}"),
            }
        }
        let told = published("DARTS_V2").unwrap().code().unwrap();
        assert_eq!(told, format!("d1.s0s1s0s1s1i0i0d2.m0m1i2m1m0i2i2m1.{}", check(&told[..36])));
    }

    #[test]
    fn every_wrong_or_missing_character_is_noticed() {
        for genotype in cells().into_iter().take(12) {
            let code = genotype.code().unwrap();
            for at in 0..code.len() {
                let (before, after) = (&code[..at], &code[at + 1..]);
                for other in (0..128u8).map(char::from).chain(['é', '\u{1f600}']) {
                    if !code[at..].starts_with(other) {
                        let changed = format!("{before}{other}{after}");
                        assert!(Genotype::from_code(&changed).is_err(), "{changed}");
                    }
                }
                assert!(Genotype::from_code(&format!("{before}{after}")).is_err(), "{code} without character {at}");
                assert!(Genotype::from_code(before).is_err(), "{before}");
                if let Some(next) = after.chars().next().filter(|&next| !code[at..].starts_with(next)) {
                    let swapped = format!("{before}{next}{}{}", &code[at..=at], &after[1..]);
                    assert!(Genotype::from_code(&swapped).is_err(), "{swapped}");
                }
            }
        }
    }

    /// With a check that fits, what a cell's text may be: refused, or a well-formed genotype.
    #[test]
    fn garbage_is_refused() {
        let letters: Vec<char> = "mastidevxMS0123459az-.é\0".chars().collect();
        let mut random = 1u64;
        let mut fits = 0;
        for _ in 0..200_000 {
            let mut pick = |n: usize| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) as usize % n
            };
            let length = pick(12);
            let text: String = (0..length).map(|_| letters[pick(letters.len())]).collect();
            let _ = Genotype::from_code(&text);
            let text = format!("d1.{text}.m0i1");
            if let Ok(genotype) = Genotype::from_code(&format!("{text}.{}", check(&text))) {
                genotype.check().unwrap();
                fits += 1;
            }
        }
        assert!(fits > 0, "some are cells");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let told = |text: &str| Genotype::from_code(text).unwrap_err().to_string();
        let checked = |text: &str| told(&format!("{text}.{}", check(text)));
        assert_eq!(told("d2.m0i1.m0i1.0000"), "it does not begin with d1. and so is no code of a known version");
        assert_eq!(told("d1.m0i1.m0i1"), "it has 3 parts between points, a code has 4");
        let crc = check("d1.m0i1.m0i1");
        let wrong = format!("its check is 0000, but the rest has {crc}: a character is wrong or missing");
        assert_eq!(told("d1.m0i1.m0i1.0000"), wrong);
        assert_eq!(checked("d1.m0q1.m0i1"), "character 6 should be the letter of an op");
        assert_eq!(checked("d1.m0i1.m0i"), "character 12 should be the digit of a state");
        assert_eq!(checked("d1.m0i1.m0i1-B"), "character 14 should be the digit of a state");
        assert_eq!(checked("d1.m0i2.m0i1"), "normal cell, node 0: reads state 2, which comes after it");
        assert_eq!(checked("d1..m0i1"), "normal cell: 0 ops, expected two for each node");
        assert_eq!(checked("d1.m0i1-.m0i1"), "normal cell: its output is empty");
    }
}
