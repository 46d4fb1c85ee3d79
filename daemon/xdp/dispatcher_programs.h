// SPDX-License-Identifier: MIT
//
// The XDP programs of one interface as libxdp sees them: in its dispatcher, or a single one without it. For
// dispatcher.cpp and component.cpp alone; their callers must hold a RaisedRights.
#pragma once

#include "protocol/base/result.h"

#include <xdp/libxdp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace xk::xdp {

struct CloseMultiprog {
    void operator()(xdp_multiprog* programs) const { xdp_multiprog__close(programs); }
};
using Multiprog = std::unique_ptr<xdp_multiprog, CloseMultiprog>;

// The programs on the interface; null where there is none.
Result<Multiprog> programs_on(int ifindex);

// Whether it is a dispatcher and not some other single program.
bool is_dispatcher(const Multiprog& programs);
// Whether it has a dispatcher's name, but libxdp does not find its pins.
bool is_broken(const Multiprog& programs);

// The components that are filters of ours. `without`: the id of a program to leave out; 0: none.
std::vector<xdp_program*> ours_in(const Multiprog& programs, std::uint32_t without = 0);
bool has_program(const Multiprog& programs, const xdp_program* program);

// Removes these components; with the last one also the dispatcher.
Result<void> remove_programs(const Multiprog& programs, std::vector<xdp_program*> which, int ifindex);

// "This kernel does not let programs share an interface", with a hint.
Error no_dispatcher(const std::string& what);

} // namespace xk::xdp
