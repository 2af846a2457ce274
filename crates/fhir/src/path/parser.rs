//! The grammar of FHIRPath (normative release, "Formal Specifications"), by the strength with which operators bind.

use std::borrow::Cow;

use super::Problem;
use super::ast::{Ast, Called, NodeId, OPERATORS, Part, SIGN_BINDS, TYPE_BINDS, Test, TypeName, Variable};
use super::decimal::Decimal;
use super::functions::{self, Function, Patterns};
use super::item::System;
use super::lexer::{Placed, Token, words};
use super::moment::{Calendar, Moment};
use super::quantity::Quantity;
use super::typing;

/// The longest expression in bytes.
const LONGEST: usize = 64 * 1024;
/// How deep an expression may be nested: brackets in brackets, but a long path or sum too.
pub(super) const DEEPEST: usize = 100;

/// Words that are no names unless they are written in backticks.
const WORDS: [&str; 8] = ["and", "or", "xor", "implies", "div", "mod", "true", "false"];

/// Parses an expression: its parts and which of them is the whole.
pub(super) fn parse(text: &str, patterns: &mut Patterns) -> Result<(Ast, NodeId), Problem> {
    if text.len() > LONGEST {
        return Err(Problem { position: LONGEST, text: format!("an expression has at most {LONGEST} bytes") });
    }
    let mut parser = Parser { words: words(text)?, at: 0, ast: Ast::default(), brackets: 0, patterns };
    let whole = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok((parser.ast, whole)),
        other => Err(parser.problem(format!("{} cannot follow here", shown(other)))),
    }
}

struct Parser<'p> {
    words: Vec<Placed>,
    at: usize,
    ast: Ast,
    brackets: usize,
    patterns: &'p mut Patterns,
}

/// A word as a message shows it.
fn shown(token: &Token) -> String {
    match token {
        Token::Name(text) | Token::Quoted(text) | Token::Number(text) => format!("'{text}'"),
        Token::Text(_) => "a string".to_owned(),
        Token::Moment(text) => format!("'@{text}'"),
        Token::Special(text) => format!("'${text}'"),
        Token::Variable(text) => format!("'%{text}'"),
        Token::Sign(text) => format!("'{text}'"),
        Token::End => "the end".to_owned(),
    }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.words.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.words.len());
        token
    }

    fn position(&self) -> usize {
        self.words.get(self.at).or(self.words.last()).map_or(0, |(_, position)| *position)
    }

    fn problem(&self, text: impl Into<String>) -> Problem {
        Problem { position: self.position(), text: text.into() }
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_here = matches!(self.peek(), Token::Sign(other) if *other == sign);
        if is_here {
            self.at += 1;
        }
        is_here
    }

    fn expect(&mut self, sign: &str) -> Result<(), Problem> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.problem(format!("'{sign}' is expected here, not {}", shown(self.peek()))))
    }

    /// Keeps a part.
    fn add(&mut self, part: Part) -> Result<NodeId, Problem> {
        let inside = Ast::inside(&part);
        let depth = 1 + inside.iter().map(|id| self.ast.depth(*id)).max().unwrap_or_default();
        if depth > DEEPEST {
            return Err(self.problem(format!("an expression is nested at most {DEEPEST} deep")));
        }
        let is_fixed = match &part {
            Part::Variable(_) | Part::Literal(_) | Part::Nothing => true,
            Part::This | Part::Index | Part::Total | Part::Head(_) => false,
            // What has no dot before it is asked of the input, which is another one each time.
            Part::Call(None, ..) | Part::OfType(_, None, _) => false,
            Part::Call(Some(on), called, arguments) => {
                let is_lambda = functions::at(called.position).is_some_and(Function::is_lambda);
                self.ast.is_fixed(*on)
                    && (is_lambda || arguments.iter().all(|argument| self.ast.is_fixed(*argument)))
                    && !(is_lambda && arguments.iter().any(|argument| self.names_outer(*argument)))
            }
            _ => inside.iter().all(|id| self.ast.is_fixed(*id)),
        };
        let id = u32::try_from(self.ast.nodes.len()).map_err(|_| self.problem("the expression is too long"))?;
        self.ast.nodes.push(part);
        self.ast.fixed.push(is_fixed);
        self.ast.depths.push(depth);
        Ok(NodeId(id))
    }

    /// Whether a part asks for `$total`, which an outer function may have given.
    fn names_outer(&self, id: NodeId) -> bool {
        let part = self.ast.part(id);
        matches!(part, Part::Total | Part::Index) || Ast::inside(part).into_iter().any(|inner| self.names_outer(inner))
    }

    /// An expression whose operators bind at least so strongly.
    fn expression(&mut self, least: u8) -> Result<NodeId, Problem> {
        self.brackets += 1;
        if self.brackets > DEEPEST {
            return Err(self.problem(format!("an expression is nested at most {DEEPEST} deep")));
        }
        let mut left = self.operand()?;
        loop {
            let word = match self.peek() {
                Token::Sign(sign) => Cow::Borrowed(*sign),
                Token::Name(name) => Cow::Owned(name.clone()),
                _ => break,
            };
            if matches!(word.as_ref(), "is" | "as") {
                if TYPE_BINDS < least {
                    break;
                }
                self.at += 1;
                let test = if word == "is" { Test::Is } else { Test::As };
                let name = self.type_name()?;
                left = self.add(Part::OfType(test, Some(left), name))?;
                continue;
            }
            let Some((_, operator, binds)) = OPERATORS.iter().find(|row| row.0 == word) else { break };
            if *binds < least {
                break;
            }
            self.at += 1;
            let right = self.expression(binds + 1)?;
            left = self.add(Part::Binary(*operator, left, right))?;
        }
        self.brackets -= 1;
        Ok(left)
    }

    /// A term with a sign before it or none, and what follows its dots and in brackets.
    fn operand(&mut self) -> Result<NodeId, Problem> {
        for (sign, make) in [("-", Part::Negative as fn(NodeId) -> Part), ("+", Part::Positive)] {
            if self.takes(sign) {
                let operand = self.expression(SIGN_BINDS)?;
                return self.add(make(operand));
            }
        }
        let mut left = self.term()?;
        loop {
            if self.takes(".") {
                left = self.invocation(Some(left))?;
            } else if self.takes("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                left = self.add(Part::At(left, index))?;
            } else {
                return Ok(left);
            }
        }
    }

    fn term(&mut self) -> Result<NodeId, Problem> {
        if self.takes("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.takes("{") {
            self.expect("}")?;
            return self.add(Part::Nothing);
        }
        let position = self.position();
        let wrong = |text: String| Problem { position, text };
        match self.peek().clone() {
            Token::Text(text) => {
                self.at += 1;
                self.add(Part::Literal(System::String(Cow::Owned(text))))
            }
            Token::Number(text) => {
                self.at += 1;
                let literal = self.number(&text).ok_or_else(|| wrong(format!("'{text}' is too large a number")))?;
                self.add(Part::Literal(literal))
            }
            Token::Moment(text) => {
                self.at += 1;
                let moment = match text.strip_prefix('T') {
                    Some(time) => Moment::time(time),
                    None if text.contains('T') => Moment::date_time(&text),
                    None => Moment::date(&text),
                };
                let moment = moment.ok_or_else(|| wrong(format!("'@{text}' is not a date or time")))?;
                self.add(Part::Literal(System::Moment(moment)))
            }
            Token::Name(name) if name == "true" || name == "false" => {
                self.at += 1;
                self.add(Part::Literal(System::Boolean(name == "true")))
            }
            Token::Variable(name) => {
                self.at += 1;
                self.add(Part::Variable(variable(&name)))
            }
            _ => self.invocation(None),
        }
    }

    /// A number, or with a unit after it a quantity.
    fn number(&mut self, text: &str) -> Option<System<'static>> {
        let unit = match self.peek() {
            Token::Text(unit) => Some(unit.clone()),
            Token::Name(word) if Calendar::named(word).is_some() => Some(word.clone()),
            _ => None,
        };
        if let Some(unit) = unit {
            self.at += 1;
            let value = Decimal::read(text)?;
            return Some(System::Quantity(Box::new(Quantity::of_literal(value, Cow::Owned(unit)))));
        }
        if text.contains('.') {
            return Decimal::read(text).map(System::Decimal);
        }
        text.parse::<i64>().ok().map(System::Integer)
    }

    /// A name, a function or `$this`, after a dot or at the beginning.
    fn invocation(&mut self, on: Option<NodeId>) -> Result<NodeId, Problem> {
        let position = self.position();
        match self.next() {
            Token::Special(name) if on.is_none() => match name.as_str() {
                "this" => self.add(Part::This),
                "index" => self.add(Part::Index),
                "total" => self.add(Part::Total),
                _ => Err(Problem { position, text: format!("there is no ${name}, only $this, $index and $total") }),
            },
            Token::Name(name) if on.is_none() && WORDS.contains(&name.as_str()) => {
                Err(Problem { position, text: format!("'{name}' cannot stand here") })
            }
            Token::Name(name) if self.takes("(") => self.call(on, &name, position),
            Token::Name(name) | Token::Quoted(name) => match on {
                Some(on) => self.add(Part::Member(on, name)),
                None => self.add(Part::Head(name)),
            },
            Token::End => Err(Problem { position, text: "something is missing here".to_owned() }),
            other => Err(Problem { position, text: format!("{} cannot stand here", shown(&other)) }),
        }
    }

    fn call(&mut self, on: Option<NodeId>, name: &str, position: usize) -> Result<NodeId, Problem> {
        let test = match name {
            "is" => Some(Test::Is),
            "as" => Some(Test::As),
            "ofType" => Some(Test::OfType),
            _ => None,
        };
        if let Some(test) = test {
            let name = self.type_name()?;
            self.expect(")")?;
            return self.add(Part::OfType(test, on, name));
        }
        let wrong = |text: String| Problem { position, text };
        let (place, function) =
            functions::named(name).ok_or_else(|| wrong(format!("there is no function '{name}'")))?;
        let mut arguments = Vec::new();
        if !self.takes(")") {
            loop {
                arguments.push(self.expression(0)?);
                if !self.takes(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        if arguments.len() < function.least || arguments.len() > function.most {
            let wanted = if function.least == function.most {
                function.least.to_string()
            } else {
                format!("{} to {}", function.least, function.most)
            };
            return Err(wrong(format!("'{name}' takes {wanted} arguments, not {}", arguments.len())));
        }
        if function.has_pattern
            && let Some(first) = arguments.first()
            && let Part::Literal(System::String(pattern)) = self.ast.part(*first)
        {
            let pattern = self.patterns.compiled(pattern, function.name == "matchesFull");
            let pattern = pattern.map_err(|why| wrong(why.to_owned()))?;
            self.ast.patterns.insert(*first, pattern);
        }
        self.add(Part::Call(on, Called { name: function.name, position: place }, arguments))
    }

    /// `Patient`, `FHIR.Patient`, `System.Boolean`.
    fn type_name(&mut self) -> Result<TypeName, Problem> {
        let position = self.position();
        let mut take = || match self.next() {
            Token::Name(name) | Token::Quoted(name) => Ok(name),
            other => {
                Err(Problem { position, text: format!("the name of a type is expected here, not {}", shown(&other)) })
            }
        };
        let first = take()?;
        let name = if matches!(first.as_str(), "System" | "FHIR") && self.takes(".") {
            match self.next() {
                Token::Name(name) | Token::Quoted(name) => TypeName { namespace: Some(first), name },
                other => {
                    return Err(Problem { position, text: format!("a type is expected here, not {}", shown(&other)) });
                }
            }
        } else {
            TypeName { namespace: None, name: first }
        };
        if typing::is_known(&name) {
            return Ok(name);
        }
        Err(Problem { position, text: format!("there is no type '{}'", name.name) })
    }
}

/// What a variable means (FHIR R4 "FHIRPath", variables).
fn variable(name: &str) -> Variable {
    let text = |text: &str| Variable::Text(text.to_owned());
    match name {
        "context" => Variable::Context,
        "resource" => Variable::Resource,
        "rootResource" => Variable::RootResource,
        "ucum" => text("http://unitsofmeasure.org"),
        "sct" => text("http://snomed.info/sct"),
        "loinc" => text("http://loinc.org"),
        _ => {
            if let Some(value_set) = name.strip_prefix("vs-") {
                Variable::Text(format!("http://hl7.org/fhir/ValueSet/{value_set}"))
            } else if let Some(extension) = name.strip_prefix("ext-") {
                Variable::Text(format!("http://hl7.org/fhir/StructureDefinition/{extension}"))
            } else {
                Variable::Named(name.to_owned())
            }
        }
    }
}
