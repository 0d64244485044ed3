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
//! A `-` begins the cell's output, the states that are concatenated; without it, the output is all nodes in order.
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

use super::{CONVOLUTIONAL, CellSpec, DerivedCell, Genotype, GenotypeError, Op, SPACES, Space};
use std::iter::Peekable;

/// Version of the codes, behind the letter of the space.
const VERSION: u32 = 1;

/// Why a text is no share code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// It does not begin as a code does.
    #[error("it does not begin with {0}. and so is no code of a known version")]
    Version(String),
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
        /// Expected character.
        expected: &'static str,
    },
    /// Cells that cannot be built.
    #[error(transparent)]
    Genotype(#[from] GenotypeError),
}

impl Genotype {
    /// Share code of the cells.
    ///
    /// # Errors
    /// The cells are not well formed.
    pub fn code(&self) -> Result<String, GenotypeError> {
        self.check()?;
        let mut code = beginning(self.space());
        for (spec, cell) in self.space().spec().cells.iter().zip(self.cells()) {
            push_cell(&mut code, self.space(), spec, cell);
            code.push('.');
        }
        code.pop();
        Ok(format!("{code}.{}", check(&code)))
    }

    /// Cells of a share code of any space.
    ///
    /// # Errors
    /// The text is no code, has a typing error, or names cells that cannot be built.
    pub fn from_code(code: &str) -> Result<Self, CodeError> {
        let space = space_of_code(code).unwrap_or(CONVOLUTIONAL);
        let cells = checked(code, space)?;
        let mut start = beginning(space).len() + 1;
        let mut genotype = Self::new(space, []);
        let mut read = Vec::new();
        for (spec, text) in space.spec().cells.iter().zip(cells) {
            read.push(cell(text, start, space, spec)?);
            start += text.chars().count() + 1;
        }
        genotype.set_cells(read);
        genotype.check()?;
        Ok(genotype)
    }
}

/// Space whose codes a text begins as, whatever the version: its letter, digits, a point.
pub fn space_of_code(text: &str) -> Option<Space> {
    SPACES.into_iter().find(|space| {
        let digits = text.strip_prefix(space.code).and_then(|rest| rest.split_once('.')).map(|(digits, _)| digits);
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// Prefix of the codes of a space.
fn beginning(space: Space) -> String {
    format!("{}{VERSION}.", space.code)
}

/// Cells of a code, once its check is seen to fit.
fn checked(code: &str, space: Space) -> Result<Vec<&str>, CodeError> {
    let beginning = beginning(space);
    let Some(parts) = code.strip_prefix(&beginning) else {
        return Err(CodeError::Version(beginning.trim_end_matches('.').to_owned()));
    };
    let mut parts: Vec<&str> = parts.split('.').collect();
    let expected = space.cells.len() + 2;
    if parts.len() + 1 != expected {
        return Err(CodeError::Parts { found: parts.len() + 1, expected });
    }
    let found = parts.pop().unwrap_or_default();
    let expected = check(&code[..code.len() - found.len() - 1]);
    match found == expected {
        true => Ok(parts),
        false => Err(CodeError::Check { found: found.to_owned(), expected }),
    }
}

/// Adds a cell to a code; its output only where it is not all nodes in order.
fn push_cell(code: &mut String, space: Space, spec: &CellSpec, cell: &DerivedCell) {
    for (op, state) in &cell.ops {
        code.extend(space.code_letters.iter().find(|known| known.1 == *op).map(|known| known.0));
        code.push(digit(*state));
    }
    if !cell.concat.iter().copied().eq(spec.node_states(cell.ops.len() / spec.kept_edges)) {
        code.push('-');
        code.extend(cell.concat.iter().copied().map(digit));
    }
}

/// Ops of a cell, each with the state that it reads, and the states of its output. The first character of `text` is
/// character `start` of its code.
fn cell(text: &str, start: usize, space: Space, spec: &CellSpec) -> Result<DerivedCell, CodeError> {
    let mut characters = (start..).zip(text.chars()).peekable();
    let end = start + text.chars().count();
    let mut ops: Vec<(Op, usize)> = Vec::new();
    while let Some((at, character)) = characters.next_if(|&(_, character)| character != '-') {
        let op = space.code_letters.iter().find(|known| known.0 == character);
        let &(_, op) = op.ok_or(CodeError::Character { at, expected: "the letter of an op" })?;
        ops.push((op, state(&mut characters, end)?));
    }
    let mut concat: Vec<usize> = spec.node_states(ops.len() / spec.kept_edges).collect();
    if characters.next().is_some() {
        concat.clear();
        while characters.peek().is_some() {
            concat.push(state(&mut characters, end)?);
        }
    }
    Ok(DerivedCell { ops, concat })
}

fn state(characters: &mut Peekable<impl Iterator<Item = (usize, char)>>, end: usize) -> Result<usize, CodeError> {
    let (at, character) = characters.next().unwrap_or((end, '.'));
    let value = character.to_digit(36).filter(|_| !character.is_ascii_uppercase());
    Ok(value.ok_or(CodeError::Character { at, expected: "the digit of a state" })? as usize)
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
    use crate::space::RECURRENT;

    fn cells() -> Vec<Genotype> {
        let names = CONVOLUTIONAL.published_names();
        let mut cells: Vec<Genotype> = names.map(|name| CONVOLUTIONAL.published(name).unwrap()).collect();
        cells.extend(Genotype::random(CONVOLUTIONAL, 5, 500));
        let wide = (0..34).flat_map(|node| [(Op::DIL_CONV_5X5, node), (Op::SEP_CONV_3X3, node + 1)]);
        let wide: Vec<_> = wide.collect();
        cells.push(Genotype::new(CONVOLUTIONAL, [(wide.clone(), vec![35, 0, 1]), (wide, vec![2])]));
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
            assert_eq!(space_of_code(&code), Some(CONVOLUTIONAL));
            assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)), "{code}");
            match genotype.check_derived() {
                Ok(()) => assert_eq!(code.len(), 41),
                Err(_) => assert!(code.len() < 60 || genotype.cells()[0].ops.len() > 10, "{code}"),
            }
        }
        let code = CONVOLUTIONAL.published("DARTS_V2").unwrap().code().unwrap();
        assert_eq!(code, format!("d1.s0s1s0s1s1i0i0d2.m0m1i2m1m0i2i2m1.{}", check(&code[..36])));
    }

    #[test]
    fn every_recurrent_cell_comes_back() {
        let mut cells: Vec<_> = RECURRENT.published_names().map(|name| RECURRENT.published(name).unwrap()).collect();
        cells.extend(Genotype::random(RECURRENT, 5, 200));
        for genotype in cells {
            let code = genotype.code().unwrap();
            assert_eq!(Genotype::from_code(&code), Ok(genotype.clone()), "{code}");
            assert_eq!(space_of_code(&code), Some(RECURRENT));
            for at in 0..code.len() {
                let changed =
                    format!("{}{}{}", &code[..at], if &code[at..=at] == "1" { '2' } else { '1' }, &code[at + 1..]);
                assert!(Genotype::from_code(&changed).is_err(), "{changed}");
                assert!(Genotype::from_code(&code[..at]).is_err());
            }
        }
        let refusal = |text: &str| Genotype::from_code(&format!("{text}.{}", check(text))).unwrap_err().to_string();
        assert_eq!(refusal("r2.t0"), "it does not begin with r1. and so is no code of a known version");
        assert_eq!(refusal("r1.t0.t0"), "it has 4 parts between points, a code has 3");
        assert_eq!(refusal("r1.t0m1"), "character 6 should be the letter of an op");
        assert_eq!(refusal("r1.t0t2"), "recurrent cell, node 2: reads state 2, which comes after it");
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
    fn errors_name_what_is_wrong() {
        let refusal = |text: &str| Genotype::from_code(text).unwrap_err().to_string();
        let checked = |text: &str| refusal(&format!("{text}.{}", check(text)));
        assert_eq!(refusal("d2.m0i1.m0i1.0000"), "it does not begin with d1. and so is no code of a known version");
        assert_eq!(refusal("d1.m0i1.m0i1"), "it has 3 parts between points, a code has 4");
        let crc = check("d1.m0i1.m0i1");
        let wrong = format!("its check is 0000, but the rest has {crc}: a character is wrong or missing");
        assert_eq!(refusal("d1.m0i1.m0i1.0000"), wrong);
        assert_eq!(checked("d1.m0q1.m0i1"), "character 6 should be the letter of an op");
        assert_eq!(checked("d1.m0i1.m0i"), "character 12 should be the digit of a state");
        assert_eq!(checked("d1.m0i1.m0i1-B"), "character 14 should be the digit of a state");
        assert_eq!(checked("d1.m0i2.m0i1"), "normal cell, node 0: reads state 2, which comes after it");
        assert_eq!(checked("d1..m0i1"), "normal cell: 0 ops, expected two for each node");
        assert_eq!(checked("d1.m0i1-.m0i1"), "normal cell: its output is empty");
    }
}
