#pragma once
// The files of view/, made into a source file when the command is built (cmake/EmbedPage.cmake).
#include <string_view>

namespace quiesce_command {

extern const std::string_view page_html, page_css, model_js, chart_js, overview_js, panels_js, page_js;

}  // namespace quiesce_command
