// SPDX-License-Identifier: MIT
//
// What a later release would add: one more way of knocking and one more rule, each as one more row of its table.
// Nothing else of the product knows of them. The linker takes the tables of seams.cpp before those of the library.
#pragma once

#include "daemon/authz/record.h"

namespace xk::test {

// A sequence of ports, as the filter would report it when it is complete: no packet, only whose it is and in which
// slot. The ports follow from the code of the step in its eight bytes (big-endian).
inline constexpr auto kSequence = static_cast<authz::RecordKind>(9);

// While it is on, bob holds nothing.
inline bool bob_is_barred = false;

} // namespace xk::test
