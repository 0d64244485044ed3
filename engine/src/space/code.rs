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
//! A recurrent cell has a code of the same form, each node with one op:
//!
//! ```text
//! code   = "r1" "." edge { edge } [ "-" state { state } ] "." check
//! edge   = op state
//! op     = "t" tanh | "r" relu | "s" sigmoid | "i" identity
//! state  = a digit of base 36: 0 is the first state, i is node i from 1
//! ```
//!
//! DARTS_V2 is `d1.s0s1s0s1s1i0i0d2.m0m1i2m1m0i2i2m1.` and its check. Cells of the paper's space take 41 characters, each
//! published cell less than 60.

use super::{CellKind, Genotype, GenotypeError, Op, RecurrentGenotype, RecurrentGenotypeError, RecurrentOp};
use std::iter::Peekable;

const VERSION: &str = "d1";
const RECURRENT_VERSION: &str = "r1";

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

const RECURRENT_OPS: [(char, RecurrentOp); 4] =
    [('t', RecurrentOp::Tanh), ('r', RecurrentOp::Relu), ('s', RecurrentOp::Sigmoid), ('i', RecurrentOp::Identity)];

/// Why a text is no share code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It does not begin as a code does.
    #[error("it does not begin with {0}. and so is no code of a known version")]
    Version(&'static str),
    /// It has too few or too many parts.
    #[error("it has {found} parts between points, a code has {expected}")]
    Parts {
        /// Parts found.
        found: usize,
        /// Parts that it should have.
        expected: usize,
    },
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
    /// A recurrent cell that cannot be built.
    #[error(transparent)]
    Recurrent(#[from] RecurrentGenotypeError),
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
            push_cell(&mut code, &OPS, ops, concat, all_nodes(ops.len()));
        }
        Ok(format!("{code}.{}", check(&code)))
    }

    /// The cells of a share code.
    ///
    /// # Errors
    /// The text is no code, has a typing error, or names cells that cannot be built.
    pub fn from_code(code: &str) -> Result<Self, CodeError> {
        let [normal, reduce] = checked(code, VERSION)?;
        let start = VERSION.len() + 2;
        let (normal_text, reduce_start) = (normal, start + normal.chars().count() + 1);
        let (normal, normal_concat) = cell(normal_text, start, &OPS, all_nodes)?;
        let (reduce, reduce_concat) = cell(reduce, reduce_start, &OPS, all_nodes)?;
        let genotype = Self { normal, normal_concat, reduce, reduce_concat };
        genotype.check()?;
        Ok(genotype)
    }
}

impl RecurrentGenotype {
    /// The share code of the cell.
    ///
    /// # Errors
    /// The cell is not well formed.
    pub fn code(&self) -> Result<String, RecurrentGenotypeError> {
        self.check()?;
        let mut code = format!("{RECURRENT_VERSION}.");
        push_cell(&mut code, &RECURRENT_OPS, &self.recurrent, &self.concat, 1..self.recurrent.len() + 1);
        Ok(format!("{code}.{}", check(&code)))
    }

    /// The cell of a share code.
    ///
    /// # Errors
    /// The text is no code, has a typing error, or names a cell that cannot be built.
    pub fn from_code(code: &str) -> Result<Self, CodeError> {
        let [text] = checked(code, RECURRENT_VERSION)?;
        let all = |ops| 1..ops + 1;
        let (recurrent, concat) = cell(text, RECURRENT_VERSION.len() + 2, &RECURRENT_OPS, all)?;
        let genotype = Self { recurrent, concat };
        genotype.check()?;
        Ok(genotype)
    }
}

/// Whether a text begins as codes of convolutional cells of any version do: `d`, digits, a point.
pub fn looks_like_code(text: &str) -> bool {
    begins_with(text, 'd')
}

/// Whether a text begins as codes of recurrent cells of any version do: `r`, digits, a point.
pub fn looks_like_recurrent_code(text: &str) -> bool {
    begins_with(text, 'r')
}

fn begins_with(text: &str, letter: char) -> bool {
    let digits = text.strip_prefix(letter).and_then(|rest| rest.split_once('.')).map(|(digits, _)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The cells of a code of a version, once its check is seen to fit.
fn checked<'a, const N: usize>(code: &'a str, version: &'static str) -> Result<[&'a str; N], CodeError> {
    let Some(parts) = code.strip_prefix(version).and_then(|rest| rest.strip_prefix('.')) else {
        return Err(CodeError::Version(version));
    };
    let mut parts: Vec<&str> = parts.split('.').collect();
    let count = CodeError::Parts { found: parts.len() + 1, expected: N + 2 };
    let found = parts.pop().unwrap_or_default();
    let cells = parts.try_into().map_err(|_| count)?;
    let expected = check(&code[..code.len() - found.len() - 1]);
    if found != expected {
        return Err(CodeError::Check { found: found.to_owned(), expected });
    }
    Ok(cells)
}

/// Adds a cell to a code; `all` are the states of its output where nothing is said of it.
fn push_cell<O: PartialEq>(
    code: &mut String,
    letters: &[(char, O)],
    ops: &[(O, usize)],
    concat: &[usize],
    all: std::ops::Range<usize>,
) {
    for (op, state) in ops {
        code.extend(letters.iter().find(|known| known.1 == *op).map(|known| known.0));
        code.push(digit(*state));
    }
    if !concat.iter().copied().eq(all) {
        code.push('-');
        code.extend(concat.iter().copied().map(digit));
    }
}

/// The ops of a cell, each with the state it reads, and the states of its output.
type Cell<O> = (Vec<(O, usize)>, Vec<usize>);

/// Reads a cell, the first character of which is character `start` of its code; `all` are the states of the output of a cell
/// of so many ops where nothing is said of it.
fn cell<O: Copy>(
    text: &str,
    start: usize,
    letters: &[(char, O)],
    all: impl FnOnce(usize) -> std::ops::Range<usize>,
) -> Result<Cell<O>, CodeError> {
    let mut characters = (start..).zip(text.chars()).peekable();
    let end = start + text.chars().count();
    let mut ops = Vec::new();
    while let Some((at, character)) = characters.next_if(|&(_, character)| character != '-') {
        let op = letters.iter().find(|known| known.0 == character);
        let &(_, op) = op.ok_or(CodeError::Character { at, expected: "the letter of an op" })?;
        ops.push((op, state(&mut characters, end)?));
    }
    let mut concat: Vec<usize> = all(ops.len()).collect();
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
    use crate::space::{PUBLISHED, PUBLISHED_RECURRENT, published, published_recurrent};

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
    fn every_recurrent_cell_comes_back() {
        let mut cells: Vec<_> =
            PUBLISHED_RECURRENT.into_iter().map(|name| published_recurrent(name).unwrap()).collect();
        #[cfg(feature = "compute")]
        cells.extend(RecurrentGenotype::random(5, 200));
        for genotype in cells {
            let code = genotype.code().unwrap();
            assert_eq!(RecurrentGenotype::from_code(&code), Ok(genotype.clone()), "{code}");
            assert!(looks_like_recurrent_code(&code) && !looks_like_code(&code));
            for at in 0..code.len() {
                let changed =
                    format!("{}{}{}", &code[..at], if &code[at..=at] == "1" { '2' } else { '1' }, &code[at + 1..]);
                assert!(RecurrentGenotype::from_code(&changed).is_err(), "{changed}");
                assert!(RecurrentGenotype::from_code(&code[..at]).is_err());
            }
        }
        let told =
            |text: &str| RecurrentGenotype::from_code(&format!("{text}.{}", check(text))).unwrap_err().to_string();
        assert_eq!(told("d1.t0"), "it does not begin with r1. and so is no code of a known version");
        assert_eq!(told("r1.t0.t0"), "it has 4 parts between points, a code has 3");
        assert_eq!(told("r1.t0m1"), "character 6 should be the letter of an op");
        assert_eq!(told("r1.t0t2"), "node 2: reads state 2, which comes after it");
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
