// SPDX-License-Identifier: MIT
//
// Changes of a file on the disk that somebody else keeps: edit_mapping() and an atomic exchange of the file.
#pragma once

#include "protocol/base/result.h"
#include "protocol/base/secure_file.h"
#include "protocol/yaml/edit.h"

#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {

// The edits that make a file that says `now` one that says `wanted`: both are texts of write_fields().
Result<std::vector<Edit>> edits_between(std::string_view now, std::string_view wanted);

// Edits a file that `rules` accept, keeping its owner, group and mode. At no time is there half a file, nor one that
// others can read and could not before; whatever fails leaves the old one and nothing beside it. A file that changes
// meanwhile is an error, and stays as it is.
Result<void> edit_file(const std::string& path, const FileRules& rules, const std::vector<Edit>& edits);

} // namespace xk::yaml
