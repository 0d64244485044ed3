use super::{CellKind, Genotype, GenotypeError, RecurrentGenotype, RecurrentGenotypeError, RecurrentOp};
use std::{fmt::Display, str::FromStr};

/// Why a text is no genotype in Python's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PythonError {
    /// The text is not what it should be somewhere.
    #[error("line {line}, column {column}: {problem}")]
    Text {
        /// Line, from 1.
        line: usize,
        /// Character of the line, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// Cells that cannot be built.
    #[error(transparent)]
    Genotype(#[from] GenotypeError),
    /// A recurrent cell that cannot be built.
    #[error(transparent)]
    Recurrent(#[from] RecurrentGenotypeError),
}

impl Genotype {
    /// Reads the Python text that the authors' implementation prints and keeps in its `genotypes.py`:
    /// `Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=[2, 3, 4, 5])`.
    ///
    /// Blanks and line breaks may be anywhere, `NAME =` may stand in front, comments and commas at the end are ignored, lists
    /// and tuples are the same, and arguments may come in any order, or in that order without names.
    ///
    /// # Errors
    /// The text is something else, named by line and column, or the cells cannot be built.
    pub fn from_python(text: &str) -> Result<Self, PythonError> {
        let mut reader = Reader { text, at: 0, fields: &FIELDS };
        let (ops, concats) = reader.fields()?;
        let [normal, reduce] = ops.try_into().expect("two lists of ops");
        let [normal_concat, reduce_concat] = concats.try_into().expect("two lists of states");
        let genotype = Self { normal, normal_concat, reduce, reduce_concat };
        genotype.check()?;
        Ok(genotype)
    }

    /// The cells as the authors' implementation prints them; [`Genotype::from_python`] reads it back.
    pub fn to_python(&self) -> String {
        let cells = [CellKind::Normal, CellKind::Reduce].map(|kind| {
            let (name, (ops, concat)) = (kind.name(), self.of(kind));
            format!("{name}=[{}], {name}_concat={}", ops_text(ops), states_text(concat))
        });
        format!("Genotype({})", cells.join(", "))
    }
}

impl RecurrentGenotype {
    /// Reads the Python text of a recurrent cell, `Genotype(recurrent=[('relu', 0), ...], concat=range(1, 9))`, with the
    /// freedom of [`Genotype::from_python`].
    ///
    /// # Errors
    /// The text is something else, named by line and column, or the cell cannot be built.
    pub fn from_python(text: &str) -> Result<Self, PythonError> {
        let mut reader = Reader { text, at: 0, fields: &RECURRENT_FIELDS };
        let (ops, concats) = reader.fields::<RecurrentOp>()?;
        let [recurrent] = ops.try_into().expect("one list of ops");
        let [concat] = concats.try_into().expect("one list of states");
        let genotype = Self { recurrent, concat };
        genotype.check()?;
        Ok(genotype)
    }

    /// The cell as the authors' implementation prints it; [`RecurrentGenotype::from_python`] reads it back.
    pub fn to_python(&self) -> String {
        format!("Genotype(recurrent=[{}], concat={})", ops_text(&self.recurrent), states_text(&self.concat))
    }
}

/// Whether a text in Python's form seems to be of a recurrent cell.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn is_recurrent(text: &str) -> bool {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).any(|word| word == "recurrent")
        // Without names the first op tells.
        || RecurrentOp::CANDIDATES[1..].iter().any(|op| {
            text.contains(&format!("'{op}'")) || text.contains(&format!("\"{op}\""))
        })
}

fn ops_text<O: Display>(ops: &[(O, usize)]) -> String {
    ops.iter().map(|(op, state)| format!("('{op}', {state})")).collect::<Vec<_>>().join(", ")
}

fn states_text(states: &[usize]) -> String {
    let first = states.first().copied().unwrap_or_default();
    match states.iter().copied().eq(first..first + states.len()) {
        true => format!("range({first}, {})", first + states.len()),
        false => format!("{states:?}"),
    }
}

/// Reads a text from byte `at` on.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// The fields in the order of the Python tuple: lists of ops, each followed by the states of its cell's output.
    fields: &'static [&'static str],
}

const FIELDS: [&str; 4] = ["normal", "normal_concat", "reduce", "reduce_concat"];
const RECURRENT_FIELDS: [&str; 2] = ["recurrent", "concat"];

/// Lists of ops, each with the state it reads, and lists of states.
type Lists<O> = (Vec<Vec<(O, usize)>>, Vec<Vec<usize>>);

impl<'a> Reader<'a> {
    /// The whole genotype: its lists of ops and its lists of states.
    fn fields<O: FromStr<Err: Display>>(&mut self) -> Result<Lists<O>, PythonError> {
        let mut word = self.word("Genotype(")?;
        let mut end = self.at;
        if self.take('=') {
            word = self.word("Genotype(")?;
            end = self.at;
        }
        if word != "Genotype" {
            self.at = end - word.len();
            return Err(self.error(format!("expected Genotype(, found {word}")));
        }
        self.expect('(', "after Genotype")?;
        let cells = self.fields.len() / 2;
        let mut ops: Vec<Option<Vec<(O, usize)>>> = (0..cells).map(|_| None).collect();
        let mut concats: Vec<Option<Vec<usize>>> = vec![None; cells];
        let mut next = 0;
        while !self.take(')') {
            let start = self.at;
            let field = match self.rest().starts_with(|first: char| first.is_alphabetic()) {
                true => self.named()?,
                false => None,
            };
            let field = match (field, self.fields.get(next)) {
                (Some(field), _) => field,
                (None, Some(_)) => next,
                (None, None) => {
                    let count = if cells == 1 { "two" } else { "four" };
                    return Err(self.error(format!("a genotype has {count} fields")));
                }
            };
            let twice = match field % 2 {
                0 => ops[field / 2].replace(self.ops()?).is_some(),
                _ => concats[field / 2].replace(self.states(true)?).is_some(),
            };
            if twice {
                self.at = start;
                return Err(self.error(format!("{} is there twice", self.fields[field])));
            }
            next = field + 1;
            if !self.take(',') {
                self.expect(')', "or a comma after a field")?;
                break;
            }
        }
        if !self.rest().is_empty() {
            return Err(self.error("expected nothing after the genotype".to_owned()));
        }
        let missing = |field: usize| self.error(format!("the genotype has no {}", self.fields[field]));
        for cell in 0..cells {
            if ops[cell].is_none() {
                return Err(missing(2 * cell));
            }
            if concats[cell].is_none() {
                return Err(missing(2 * cell + 1));
            }
        }
        Ok((ops.into_iter().flatten().collect(), concats.into_iter().flatten().collect()))
    }

    /// The field of a `name =`; none where a value like `range(2, 6)` stands by itself.
    fn named(&mut self) -> Result<Option<usize>, PythonError> {
        let start = self.at;
        let name = self.word("a field")?;
        if !self.take('=') {
            self.at = start;
            return Ok(None);
        }
        let field = self.fields.iter().position(|&field| field == name);
        if field.is_none() {
            self.at = start;
            return Err(self.error(format!("unknown field {name} (known: {})", self.fields.join(", "))));
        }
        Ok(field)
    }

    /// `[('sep_conv_3x3', 1), ...]`
    fn ops<O: FromStr<Err: Display>>(&mut self) -> Result<Vec<(O, usize)>, PythonError> {
        self.list("a list of (op, state)", |reader| {
            let close = reader.open("an (op, state)")?;
            let op = reader.op()?;
            reader.expect(',', "between op and state")?;
            let state = reader.number()?;
            reader.take(',');
            reader.expect(close, "after the state")?;
            Ok((op, state))
        })
    }

    /// `[2, 3, 4, 5]`, `range(2, 6)` or, where `list` may be, `list(range(2, 6))`; no more than one in another, as a text may
    /// have as many as the stack does not hold.
    fn states(&mut self, list: bool) -> Result<Vec<usize>, PythonError> {
        if !self.rest().starts_with(|first: char| first.is_alphabetic()) {
            return self.list("a list of states or range(", Self::number);
        }
        let start = self.at;
        match self.word("range(")? {
            "range" => {
                self.expect('(', "after range")?;
                let (mut first, mut end) = (0, self.number()?);
                if self.take(',') && !self.rest().starts_with(')') {
                    (first, end) = (end, self.number()?);
                    self.take(',');
                }
                self.expect(')', "after the range")?;
                // More states than any cell has cannot be right, and need not be stored to be refused.
                Ok((first..end).take(Genotype::MAX_NODES + 3).collect())
            }
            "list" | "tuple" if list => {
                self.expect('(', "after list")?;
                let states = self.states(false)?;
                self.expect(')', "after the states")?;
                Ok(states)
            }
            word => {
                self.at = start;
                Err(self.error(format!("expected a list of states or range(, found {word}")))
            }
        }
    }

    fn list<T>(
        &mut self,
        what: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, PythonError>,
    ) -> Result<Vec<T>, PythonError> {
        let close = self.open(what)?;
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(item(self)?);
            if !self.take(',') {
                self.expect(close, "or a comma in a list")?;
                break;
            }
        }
        Ok(items)
    }

    /// The start of a list or tuple; tells what ends it.
    fn open(&mut self, what: &str) -> Result<char, PythonError> {
        if self.take('[') {
            Ok(']')
        } else if self.take('(') {
            Ok(')')
        } else {
            Err(self.expected(what))
        }
    }

    fn op<O: FromStr<Err: Display>>(&mut self) -> Result<O, PythonError> {
        let rest = self.rest();
        let start = self.at;
        let quote = rest.chars().next().filter(|first| "'\"".contains(*first));
        let quote = quote.ok_or_else(|| self.expected("the name of an op in quotes"))?;
        let Some(length) = rest[1..].find([quote, '\n']).filter(|&end| rest[1 + end..].starts_with(quote)) else {
            return Err(self.error("the quotes are not closed".to_owned()));
        };
        self.at += length + 2;
        rest[1..=length].parse().map_err(|error: O::Err| {
            self.at = start;
            self.error(error.to_string())
        })
    }

    fn number(&mut self) -> Result<usize, PythonError> {
        let rest = self.rest();
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
        if digits.is_empty() {
            return Err(self.expected("the number of a state"));
        }
        let number = digits.parse().map_err(|_| self.error(format!("{digits} is no state")))?;
        self.at += digits.len();
        Ok(number)
    }

    fn word(&mut self, what: &str) -> Result<&'a str, PythonError> {
        let rest = self.rest();
        let word = &rest[..rest.find(|c: char| !c.is_alphanumeric() && !"_.-".contains(c)).unwrap_or(rest.len())];
        if word.is_empty() {
            return Err(self.expected(what));
        }
        self.at += word.len();
        Ok(word)
    }

    fn take(&mut self, character: char) -> bool {
        let found = self.rest().starts_with(character);
        if found {
            self.at += character.len_utf8();
        }
        found
    }

    fn expect(&mut self, character: char, place: &str) -> Result<(), PythonError> {
        if self.take(character) { Ok(()) } else { Err(self.expected(&format!("{character} {place}"))) }
    }

    /// What is left after blanks, comments and broken lines.
    fn rest(&mut self) -> &'a str {
        loop {
            let rest =
                self.text[self.at..].trim_start_matches(|c: char| c.is_whitespace() || c == '\\' || c == '\u{feff}');
            self.at = self.text.len() - rest.len();
            if !rest.starts_with('#') {
                return rest;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn expected(&mut self, what: &str) -> PythonError {
        let found = match self.rest().chars().next() {
            Some(found) => found.to_string(),
            None => "the end".to_owned(),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    fn error(&self, problem: String) -> PythonError {
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        PythonError::Text { line, column, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::{Op, PUBLISHED, PUBLISHED_RECURRENT, published, published_recurrent};

    #[test]
    fn what_is_written_is_read_back() {
        for name in PUBLISHED {
            let genotype = published(name).unwrap();
            let text = genotype.to_python();
            assert_eq!(Genotype::from_python(&text), Ok(genotype.clone()), "{text}");
            let spaced: String =
                text.chars().flat_map(|c| if "()[],=".contains(c) { vec![' ', c, '\n'] } else { vec![c] }).collect();
            assert_eq!(Genotype::from_python(&spaced), Ok(genotype), "{spaced}");
        }
        let text = published("DARTS_V1").unwrap().to_python();
        assert!(text.starts_with("Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "), "{text}");
        assert!(text.ends_with("('avg_pool_3x3', 0)], reduce_concat=range(2, 6))"), "{text}");
    }

    #[test]
    fn recurrent_cells_are_written_and_read() {
        for name in PUBLISHED_RECURRENT {
            let genotype = published_recurrent(name).unwrap();
            let text = genotype.to_python();
            assert_eq!(RecurrentGenotype::from_python(&text), Ok(genotype), "{text}");
        }
        let told = |text: &str| RecurrentGenotype::from_python(text).unwrap_err().to_string();
        for (text, expected) in [
            ("Genotype(recurrent=[('tanh', 0)])", "line 1, column 34: the genotype has no concat"),
            ("Genotype(normal=[])", "line 1, column 10: unknown field normal (known: recurrent, concat)"),
            ("Genotype([], [], [])", "line 1, column 18: a genotype has two fields"),
            ("Genotype(recurrent=[('tanh', 1)], concat=[1])", "node 1: reads state 1, which comes after it"),
            (
                "Genotype(recurrent=[('gelu', 0)], concat=[1])",
                "line 1, column 22: unknown recurrent op \"gelu\" (known: none, tanh, relu, sigmoid, identity)",
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn forms_that_people_paste_are_read() {
        let expected = Genotype {
            normal: vec![(Op::SepConv3x3, 1), (Op::SkipConnect, 0)],
            normal_concat: vec![2],
            reduce: vec![(Op::MaxPool3x3, 0), (Op::MaxPool3x3, 1)],
            reduce_concat: vec![2],
        };
        for text in [
            "# the best of four\nMine_2 = Genotype(\n  normal = [\n    ('sep_conv_3x3', 1),  # first\n    ('skip_connect', 0),\n  ],\n  \
             normal_concat = [2],\n  reduce = [('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat = range(2, 3),\n)\n\n",
            "Genotype(reduce=[(\"max_pool_3x3\",0),(\"max_pool_3x3\",1)],reduce_concat=(2,),normal_concat=list(range(2,3)),normal=((\"sep_conv_3x3\",1),[\"skip_connect\",0]))",
            "genotype = Genotype([('sep_conv_3x3', 1), ('skip_connect', 0)], range(2, 3), \\\n [('max_pool_3x3', 0), ('max_pool_3x3', 1)], [2])",
            "Genotype([('sep_conv_3x3', 1), ('skip_connect', 0)], [2], reduce_concat=[2], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)])",
        ] {
            assert_eq!(Genotype::from_python(text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let told = |text: &str| Genotype::from_python(text).unwrap_err().to_string();
        for (text, expected) in [
            ("", "line 1, column 1: expected Genotype(, found the end"),
            ("DARTS = Cell(normal=[])", "line 1, column 9: expected Genotype(, found Cell"),
            ("Genotype", "line 1, column 9: expected ( after Genotype, found the end"),
            ("Genotype(\n  normal=5)", "line 2, column 10: expected a list of (op, state), found 5"),
            (
                "Genotype(ops=[])",
                "line 1, column 10: unknown field ops (known: normal, normal_concat, reduce, reduce_concat)",
            ),
            ("Genotype(normal=[('skip_connect')])", "line 1, column 33: expected , between op and state, found )"),
            ("Genotype(normal=[('skip_connect', x)])", "line 1, column 35: expected the number of a state, found x"),
            (
                "Genotype(normal=[(skip_connect, 0)])",
                "line 1, column 19: expected the name of an op in quotes, found s",
            ),
            ("Genotype(normal=[('skip_connect\n', 0)])", "line 1, column 19: the quotes are not closed"),
            ("Genotype(normal=[] reduce=[])", "line 1, column 20: expected ) or a comma after a field, found r"),
            ("Genotype(normal=[], normal=[])", "line 1, column 21: normal is there twice"),
            ("Genotype(normal=[])", "line 1, column 20: the genotype has no normal_concat"),
            ("Genotype([], [], [], [], [])", "line 1, column 26: a genotype has four fields"),
            ("Genotype([], [], [], []) more", "line 1, column 26: expected nothing after the genotype"),
            ("Genotype([], rang(2), [], [])", "line 1, column 14: expected a list of states or range(, found rang"),
            ("Genotype([], [99999999999999999999], [], [])", "line 1, column 15: 99999999999999999999 is no state"),
            ("Genotype([], [], [], [])", "normal cell: 0 ops, expected two for each node"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
        let op = told("Genotype(normal=[\n ('sep_conv_9x9', 0)])");
        assert!(op.starts_with("line 2, column 3: unknown op \"sep_conv_9x9\" (known: none, "), "{op}");
        let range = told("Genotype([('skip_connect', 0), ('skip_connect', 1)], range(18446744073709551615), [], [])");
        assert_eq!(range, "normal cell: its output names state 3, the last is 2");
    }

    /// Every prefix of a right text, and every text with one character changed, is told or read, and never panics.
    #[test]
    fn damaged_texts_are_told_or_read() {
        let text = format!("é = {} # \u{1f600}", published("AmoebaNet").unwrap().to_python());
        for (at, character) in text.char_indices() {
            let _ = Genotype::from_python(&text[..at]);
            for other in ['(', ')', '[', ',', '\'', '#', '9', 'x', '\n', '\\', 'é'] {
                let changed = format!("{}{other}{}", &text[..at], &text[at + character.len_utf8()..]);
                if let Ok(genotype) = Genotype::from_python(&changed) {
                    genotype.check().unwrap();
                }
            }
        }
    }
}
