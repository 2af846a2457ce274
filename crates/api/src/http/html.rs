//! HTML that is safe by its type: text becomes HTML by being escaped, and in no other way.

/// A piece of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(String);

impl Html {
    /// HTML that stands in the source.
    pub(super) fn of(markup: &'static str) -> Html {
        Html(markup.to_owned())
    }

    /// Goes on with HTML that stands in the source.
    pub(super) fn then(mut self, markup: &'static str) -> Html {
        self.0.push_str(markup);
        self
    }

    /// Goes on with a text from anywhere, as the content of an element or the value of a quoted attribute.
    pub(super) fn text(mut self, text: &str) -> Html {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Goes on with another piece.
    pub(super) fn add(mut self, other: &Html) -> Html {
        self.0.push_str(&other.0);
        self
    }

    /// Goes on with a piece for each of several things.
    pub(super) fn each<T>(self, all: impl IntoIterator<Item = T>, piece: impl Fn(Html, T) -> Html) -> Html {
        all.into_iter().fold(self, piece)
    }

    /// The markup.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let page =
            Html::of("<p title=\"").text("\"><script>alert('&')</script>").then("\">").each(["<", "b"], Html::text);
        assert_eq!(
            page.into_string(),
            "<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;\">&lt;b"
        );
    }
}
