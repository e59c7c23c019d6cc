//! Found octets against an expected value.

/// Whether ASCII case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Counts,
    Ignored,
}

impl Case {
    /// As jobs say it.
    pub(super) fn from_sensitive(case_sensitive: bool) -> Self {
        if case_sensitive { Self::Counts } else { Self::Ignored }
    }

    pub(super) fn is_equal(self, found: &[u8], expected: &[u8]) -> bool {
        match self {
            Self::Counts => found == expected,
            Self::Ignored => found.eq_ignore_ascii_case(expected),
        }
    }

    /// Where `expected`, which is not empty, first begins in `found`.
    pub(super) fn position(self, found: &[u8], expected: &[u8]) -> Option<usize> {
        found.windows(expected.len().max(1)).position(|window| self.is_equal(window, expected))
    }
}
