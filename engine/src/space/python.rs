use super::{
    CONVOLUTIONAL, Genotype, GenotypeError, Op, SPACES, Space,
    genotype::{field_names, space_of_field},
};

/// Why a text is no genotype in Python's form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PythonError {
    /// The text is not what it should be somewhere.
    #[error("line {line}, column {column}: {problem}")]
    Text {
        /// Line, from 1.
        line: usize,
        /// Character of the line, from 1.
        column: usize,
        /// Problem found there.
        problem: String,
    },
    /// Cells that cannot be built.
    #[error(transparent)]
    Genotype(#[from] GenotypeError),
}

impl Genotype {
    /// Reads the Python text that the authors' implementation prints and keeps in its `genotypes.py`:
    /// `Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=[2, 3, 4, 5])`, or
    /// `Genotype(recurrent=[('relu', 0), ...], concat=range(1, 9))`.
    ///
    /// Blanks and line breaks may be anywhere, `NAME =` may stand in front, comments and commas at the end are ignored, lists
    /// and tuples are the same, and arguments may come in any order, or in that order without names.
    ///
    /// # Errors
    /// The text is something else, named by line and column, or the cells cannot be built.
    pub fn from_python(text: &str) -> Result<Self, PythonError> {
        let space = space_of_python(text).unwrap_or(CONVOLUTIONAL);
        let mut reader = Reader { text, at: 0, space, fields: field_names(space) };
        let genotype = Self::new(space, reader.fields()?);
        genotype.check()?;
        Ok(genotype)
    }

    /// Cells as the authors' implementation prints them; [`Genotype::from_python`] reads it back.
    pub fn to_python(&self) -> String {
        let names = field_names(self.space());
        let cells = names.chunks(2).zip(self.cells()).map(|(names, cell)| {
            format!("{}=[{}], {}={}", names[0], ops_text(&cell.ops), names[1], states_text(&cell.concat))
        });
        format!("Genotype({})", cells.collect::<Vec<_>>().join(", "))
    }
}

/// Space that a text in Python's form seems to be of: that of its first field, or without names that of its first op that no
/// other space has.
pub fn space_of_python(text: &str) -> Option<Space> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.clone().find_map(space_of_field).or_else(|| words.clone().find_map(only_space_of_op))
}

/// The space with an op of this name, if only one has it.
fn only_space_of_op(name: &str) -> Option<Space> {
    let mut spaces = SPACES.into_iter().filter(|space| space.ops().any(|op| op.name() == name));
    spaces.next().filter(|_| spaces.next().is_none())
}

fn ops_text(ops: &[(Op, usize)]) -> String {
    ops.iter().map(|(op, state)| format!("('{op}', {state})")).collect::<Vec<_>>().join(", ")
}

fn states_text(states: &[usize]) -> String {
    let first = states.first().copied().unwrap_or_default();
    match states.iter().copied().eq(first..first + states.len()) {
        true => format!("range({first}, {})", first + states.len()),
        false => format!("{states:?}"),
    }
}

/// States of a range beyond which none is stored.
const MAX_STATES: usize = 40;

/// Reads a text from byte `at` on.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    space: Space,
    /// Fields in the order of the Python tuple: lists of ops, each followed by the states of its cell's output.
    fields: Vec<String>,
}

/// Ops of a cell, each with the state that it reads, and the states of its output.
type Cell = (Vec<(Op, usize)>, Vec<usize>);

impl<'a> Reader<'a> {
    /// The whole genotype, cell by cell.
    fn fields(&mut self) -> Result<Vec<Cell>, PythonError> {
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
        let mut ops: Vec<Option<Vec<(Op, usize)>>> = vec![None; cells];
        let mut concats: Vec<Option<Vec<usize>>> = vec![None; cells];
        let mut next = 0;
        while !self.take(')') {
            let start = self.at;
            let field = match self.rest().starts_with(|first: char| first.is_alphabetic()) {
                true => self.named()?,
                false => None,
            };
            let field = match field {
                Some(field) => field,
                None if next < self.fields.len() => next,
                None => {
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
        Ok(ops.into_iter().flatten().zip(concats.into_iter().flatten()).collect())
    }

    /// The field of a `name =`; none where a value like `range(2, 6)` stands by itself.
    fn named(&mut self) -> Result<Option<usize>, PythonError> {
        let start = self.at;
        let name = self.word("a field")?;
        if !self.take('=') {
            self.at = start;
            return Ok(None);
        }
        let field = self.fields.iter().position(|field| field == name);
        if field.is_none() {
            self.at = start;
            return Err(self.error(format!("unknown field {name} (known: {})", self.fields.join(", "))));
        }
        Ok(field)
    }

    /// `[('sep_conv_3x3', 1), ...]`
    fn ops(&mut self) -> Result<Vec<(Op, usize)>, PythonError> {
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
                Ok((first..end).take(MAX_STATES).collect())
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

    /// Opens a list or tuple. Returns the bracket that closes it.
    fn open(&mut self, what: &str) -> Result<char, PythonError> {
        if self.take('[') {
            Ok(']')
        } else if self.take('(') {
            Ok(')')
        } else {
            Err(self.expected(what))
        }
    }

    fn op(&mut self) -> Result<Op, PythonError> {
        let rest = self.rest();
        let start = self.at;
        let quote = rest.chars().next().filter(|first| "'\"".contains(*first));
        let quote = quote.ok_or_else(|| self.expected("the name of an op in quotes"))?;
        let Some(length) = rest[1..].find([quote, '\n']).filter(|&end| rest[1 + end..].starts_with(quote)) else {
            return Err(self.error("the quotes are not closed".to_owned()));
        };
        self.at += length + 2;
        Op::find(&rest[1..=length], self.space.ops()).map_err(|error| {
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

    /// The remaining text after blanks, comments and broken lines.
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
    use crate::space::RECURRENT;

    #[test]
    fn what_is_written_is_read_back() {
        for name in CONVOLUTIONAL.published_names() {
            let genotype = CONVOLUTIONAL.published(name).unwrap();
            let text = genotype.to_python();
            assert_eq!(Genotype::from_python(&text), Ok(genotype.clone()), "{text}");
            let spaced: String =
                text.chars().flat_map(|c| if "()[],=".contains(c) { vec![' ', c, '\n'] } else { vec![c] }).collect();
            assert_eq!(Genotype::from_python(&spaced), Ok(genotype), "{spaced}");
        }
        let text = CONVOLUTIONAL.published("DARTS_V1").unwrap().to_python();
        assert!(text.starts_with("Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "), "{text}");
        assert!(text.ends_with("('avg_pool_3x3', 0)], reduce_concat=range(2, 6))"), "{text}");
    }

    #[test]
    fn recurrent_cells_are_written_and_read() {
        for name in RECURRENT.published_names() {
            let genotype = RECURRENT.published(name).unwrap();
            let text = genotype.to_python();
            assert_eq!(Genotype::from_python(&text), Ok(genotype), "{text}");
        }
        let refusal = |text: &str| Genotype::from_python(text).unwrap_err().to_string();
        for (text, expected) in [
            ("Genotype(recurrent=[('tanh', 0)])", "line 1, column 34: the genotype has no concat"),
            ("Genotype(concat=[], normal=[])", "line 1, column 21: unknown field normal (known: recurrent, concat)"),
            ("Genotype([('relu', 0)], [], [])", "line 1, column 29: a genotype has two fields"),
            (
                "Genotype(recurrent=[('tanh', 1)], concat=[1])",
                "recurrent cell, node 1: reads state 1, which comes after it",
            ),
            (
                "Genotype(recurrent=[('gelu', 0)], concat=[1])",
                "line 1, column 22: unknown op \"gelu\" (known: none, tanh, relu, sigmoid, identity)",
            ),
        ] {
            assert_eq!(refusal(text), expected, "{text}");
        }
    }

    #[test]
    fn forms_that_people_paste_are_read() {
        let expected = Genotype::new(
            CONVOLUTIONAL,
            [
                (vec![(Op::SEP_CONV_3X3, 1), (Op::SKIP_CONNECT, 0)], vec![2]),
                (vec![(Op::MAX_POOL_3X3, 0), (Op::MAX_POOL_3X3, 1)], vec![2]),
            ],
        );
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
    fn errors_name_line_and_column() {
        let refusal = |text: &str| Genotype::from_python(text).unwrap_err().to_string();
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
            assert_eq!(refusal(text), expected, "{text}");
        }
        let op = refusal("Genotype(normal=[\n ('sep_conv_9x9', 0)])");
        assert!(op.starts_with("line 2, column 3: unknown op \"sep_conv_9x9\" (known: none, "), "{op}");
        let range =
            refusal("Genotype([('skip_connect', 0), ('skip_connect', 1)], range(18446744073709551615), [], [])");
        assert_eq!(range, "normal cell: its output names state 3, the last is 2");
    }

    /// Every prefix of a valid text, and every text with one character changed, is refused or read, and never panics.
    #[test]
    fn damaged_texts_never_panic() {
        let text = format!("é = {} # \u{1f600}", CONVOLUTIONAL.published("AmoebaNet").unwrap().to_python());
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
