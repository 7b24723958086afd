//! Conditions as the engine runs them: a row of operations on a small stack, made once of the tree
//! that was read. Nothing is followed through memory but the row itself, and what cannot change the
//! answer any more is jumped over.

use std::ops::Deref;

use smallvec::SmallVec;

use super::{Holds, Predicate, Subject};

/// How deep conditions usually go; deeper ones take room elsewhere.
const DEPTH: usize = 8;

/// One operation.
#[derive(Clone, Debug, PartialEq)]
enum Op {
    /// Puts an answer on the stack.
    Put(Holds),
    /// Puts on it when a test holds.
    Test(Predicate),
    /// Takes the topmost for its opposite.
    Not,
    /// Takes the two topmost for when both hold.
    And,
    /// Takes the two topmost for when either holds.
    Or,
    /// Goes on elsewhere if the topmost is this answer already.
    SkipIf(Holds, usize),
}

/// A condition: what it says, and how it is run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compiled {
    tree: Predicate,
    code: Box<[Op]>,
}

impl From<Predicate> for Compiled {
    fn from(tree: Predicate) -> Self {
        let mut code = Vec::new();
        compile(&tree, &mut code);
        Self { tree, code: code.into() }
    }
}

/// What is asked of a condition without running it is asked of its tree.
impl Deref for Compiled {
    type Target = Predicate;

    fn deref(&self) -> &Predicate {
        &self.tree
    }
}

impl Compiled {
    /// When it holds, as far as is known now.
    pub(crate) fn holds(&self, subject: &Subject<'_>) -> Holds {
        run(&self.code, subject)
    }

    /// Scales every duration in it.
    pub(crate) fn pace(&mut self, pace: f64) {
        let mut tree = self.tree.clone();
        tree.pace(pace);
        *self = tree.into();
    }
}

fn compile(tree: &Predicate, code: &mut Vec<Op>) {
    let (parts, unit, join, settled) = match tree {
        Predicate::All(parts) => (parts, Holds::ALWAYS, Op::And, Holds::NEVER),
        Predicate::Any(parts) => (parts, Holds::NEVER, Op::Or, Holds::ALWAYS),
        Predicate::Not(part) => {
            compile(part, code);
            code.push(Op::Not);
            return;
        }
        test => {
            code.push(Op::Test(test.clone()));
            return;
        }
    };
    code.push(Op::Put(unit));
    let mut skips = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        compile(part, code);
        code.push(join.clone());
        if n + 1 < parts.len() {
            skips.push(code.len());
            code.push(Op::SkipIf(settled, 0));
        }
    }
    let end = code.len();
    for skip in skips {
        code[skip] = Op::SkipIf(settled, end);
    }
}

fn run(code: &[Op], subject: &Subject<'_>) -> Holds {
    let mut stack: SmallVec<[Holds; DEPTH]> = SmallVec::new();
    let mut at = 0;
    while let Some(op) = code.get(at) {
        at += 1;
        match op {
            Op::Put(holds) => stack.push(*holds),
            Op::Test(test) => stack.push(test.test(subject)),
            Op::SkipIf(settled, to) => {
                if stack.last() == Some(settled) {
                    at = *to;
                }
            }
            Op::Not => {
                if let Some(top) = stack.last_mut() {
                    *top = top.not(subject.now);
                }
            }
            Op::And | Op::Or => {
                let right = stack.pop().unwrap_or(Holds::NEVER);
                if let Some(left) = stack.last_mut() {
                    *left = match op {
                        Op::And => left.and(right),
                        _ => left.or(right, subject.now),
                    };
                }
            }
        }
    }
    // The code of a condition leaves one answer.
    stack.pop().unwrap_or(Holds::NEVER)
}
