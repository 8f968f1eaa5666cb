"""`minijax.numpy`: NumPy's functions, differentiable.

In: arrays, NumPy values, Python numbers. Out: arrays. Names and signatures are NumPy's as JAX has them; dtypes are promoted by
`minijax.dtypes` (Python numbers are weak, 64 bits become 32 unless x64 is enabled). This module is the table of
contents: each subject has its file; `_promotion.py` prepares operands, `ufuncs.py` is the fast path of the
operators, `methods.py` hangs them on the arrays, `dispatch.py` answers NumPy's own functions.
"""

from __future__ import annotations

import numpy as _numpy

from ..array import Array
from . import (  # noqa: F401
    fft as fft,
    linalg as linalg,
    methods as _methods,
    scalar_types as _scalar_types,
    ufunc_methods as _ufunc_methods,
    ufuncs as _ufuncs,
)
from .calculus import (
    diff as diff,
    ediff1d as ediff1d,
    gradient as gradient,
    interp as interp,
    trapezoid as trapezoid,
    unwrap as unwrap,
)
from .creation import (
    arange as arange,
    array as array,
    asarray as asarray,
    astype as astype,
    copy as copy,
    empty as empty,
    empty_like as empty_like,
    eye as eye,
    fromfunction as fromfunction,
    full as full,
    full_like as full_like,
    geomspace as geomspace,
    identity as identity,
    linspace as linspace,
    logspace as logspace,
    ones as ones,
    ones_like as ones_like,
    zeros as zeros,
    zeros_like as zeros_like,
)
from .elementwise import (
    angle as angle,
    around as around,
    clip as clip,
    deg2rad as deg2rad,
    degrees as degrees,
    divmod as divmod,
    fabs as fabs,
    float_power as float_power,
    floor_divide as floor_divide,
    fmax as fmax,
    fmin as fmin,
    fmod as fmod,
    heaviside as heaviside,
    hypot as hypot,
    i0 as i0,
    imag as imag,
    log2 as log2,
    log10 as log10,
    logaddexp as logaddexp,
    logaddexp2 as logaddexp2,
    mod as mod,
    power as power,
    rad2deg as rad2deg,
    radians as radians,
    real as real,
    reciprocal as reciprocal,
    remainder as remainder,
    rint as rint,
    round as round,
    sinc as sinc,
)
from .exchange import (
    array_repr as array_repr,
    array_str as array_str,
    bartlett as bartlett,
    blackman as blackman,
    from_dlpack as from_dlpack,
    frombuffer as frombuffer,
    fromfile as fromfile,
    fromiter as fromiter,
    fromstring as fromstring,
    hamming as hamming,
    hanning as hanning,
    kaiser as kaiser,
    load as load,
    save as save,
    savez as savez,
)
from .grids import (
    c_ as c_,
    diag as diag,
    diag_indices as diag_indices,
    diag_indices_from as diag_indices_from,
    diagflat as diagflat,
    diagonal as diagonal,
    fill_diagonal as fill_diagonal,
    index_exp as index_exp,
    indices as indices,
    ix_ as ix_,
    mask_indices as mask_indices,
    meshgrid as meshgrid,
    mgrid as mgrid,
    ogrid as ogrid,
    r_ as r_,
    ravel_multi_index as ravel_multi_index,
    s_ as s_,
    trace as trace,
    tri as tri,
    tril as tril,
    tril_indices as tril_indices,
    tril_indices_from as tril_indices_from,
    triu as triu,
    triu_indices as triu_indices,
    triu_indices_from as triu_indices_from,
    unravel_index as unravel_index,
    vander as vander,
)
from .histograms import (
    histogram as histogram,
    histogram2d as histogram2d,
    histogram_bin_edges as histogram_bin_edges,
    histogramdd as histogramdd,
)
from .indexing import (
    put as put,
    put_along_axis as put_along_axis,
    take as take,
    take_along_axis as take_along_axis,
)
from .joining import (
    append as append,
    array_split as array_split,
    block as block,
    column_stack as column_stack,
    concat as concat,
    concatenate as concatenate,
    delete as delete,
    dsplit as dsplit,
    dstack as dstack,
    hsplit as hsplit,
    hstack as hstack,
    insert as insert,
    repeat as repeat,
    split as split,
    stack as stack,
    tile as tile,
    trim_zeros as trim_zeros,
    unstack as unstack,
    vsplit as vsplit,
    vstack as vstack,
)
from .manipulation import (
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    broadcast_arrays as broadcast_arrays,
    broadcast_shapes as broadcast_shapes,
    broadcast_to as broadcast_to,
    expand_dims as expand_dims,
    flip as flip,
    fliplr as fliplr,
    flipud as flipud,
    matrix_transpose as matrix_transpose,
    moveaxis as moveaxis,
    ndim as ndim,
    permute_dims as permute_dims,
    ravel as ravel,
    reshape as reshape,
    resize as resize,
    roll as roll,
    rollaxis as rollaxis,
    rot90 as rot90,
    shape as shape,
    size as size,
    squeeze as squeeze,
    swapaxes as swapaxes,
    transpose as transpose,
)
from .mapping import (
    apply_along_axis as apply_along_axis,
    apply_over_axes as apply_over_axes,
    piecewise as piecewise,
    vectorize as vectorize,
)
from .nan_reductions import (
    nanargmax as nanargmax,
    nanargmin as nanargmin,
    nancumprod as nancumprod,
    nancumsum as nancumsum,
    nanmax as nanmax,
    nanmean as nanmean,
    nanmin as nanmin,
    nanprod as nanprod,
    nanstd as nanstd,
    nansum as nansum,
    nanvar as nanvar,
)
from .padding import (
    pad as pad,
)
from .polynomials import (
    poly as poly,
    polyadd as polyadd,
    polyder as polyder,
    polydiv as polydiv,
    polyfit as polyfit,
    polyint as polyint,
    polymul as polymul,
    polysub as polysub,
    polyval as polyval,
    roots as roots,
)
from .predicates import (
    allclose as allclose,
    array_equal as array_equal,
    array_equiv as array_equiv,
    isclose as isclose,
    iscomplex as iscomplex,
    iscomplexobj as iscomplexobj,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    isneginf as isneginf,
    isposinf as isposinf,
    isreal as isreal,
    isrealobj as isrealobj,
    isscalar as isscalar,
    iterable as iterable,
    signbit as signbit,
)
from .products import (
    convolve as convolve,
    correlate as correlate,
    cross as cross,
    dot as dot,
    einsum as einsum,
    einsum_path as einsum_path,
    inner as inner,
    kron as kron,
    matmul as matmul,
    matvec as matvec,
    outer as outer,
    tensordot as tensordot,
    vdot as vdot,
    vecdot as vecdot,
    vecmat as vecmat,
)
from .reductions import (
    all as all,
    amax as amax,
    amin as amin,
    any as any,
    average as average,
    count_nonzero as count_nonzero,
    cumprod as cumprod,
    cumsum as cumsum,
    cumulative_prod as cumulative_prod,
    cumulative_sum as cumulative_sum,
    max as max,
    mean as mean,
    min as min,
    prod as prod,
    ptp as ptp,
    std as std,
    sum as sum,
    var as var,
)
from .representation import (
    copysign as copysign,
    frexp as frexp,
    gcd as gcd,
    lcm as lcm,
    ldexp as ldexp,
    modf as modf,
    nan_to_num as nan_to_num,
    spacing as spacing,
)
from .scalar_types import (
    can_cast as can_cast,
    dtype as dtype,
    finfo as finfo,
    iinfo as iinfo,
    isdtype as isdtype,
    issubdtype as issubdtype,
    promote_types as promote_types,
    result_type as result_type,
)
from .searching import (
    argmax as argmax,
    argmin as argmin,
    argpartition as argpartition,
    argsort as argsort,
    argwhere as argwhere,
    choose as choose,
    compress as compress,
    digitize as digitize,
    extract as extract,
    flatnonzero as flatnonzero,
    lexsort as lexsort,
    nonzero as nonzero,
    partition as partition,
    place as place,
    searchsorted as searchsorted,
    select as select,
    sort as sort,
    sort_complex as sort_complex,
    where as where,
)
from .sets import (
    bitwise_count as bitwise_count,
    intersect1d as intersect1d,
    isin as isin,
    packbits as packbits,
    setdiff1d as setdiff1d,
    setxor1d as setxor1d,
    union1d as union1d,
    unique as unique,
    unique_all as unique_all,
    unique_counts as unique_counts,
    unique_inverse as unique_inverse,
    unique_values as unique_values,
    unpackbits as unpackbits,
)
from .statistics import (
    bincount as bincount,
    corrcoef as corrcoef,
    cov as cov,
    median as median,
    nanmedian as nanmedian,
    nanpercentile as nanpercentile,
    nanquantile as nanquantile,
    percentile as percentile,
    quantile as quantile,
)
from .ufuncs import (
    absolute as absolute,
    ceil as ceil,
    conj as conj,
    conjugate as conjugate,
    floor as floor,
    invert as invert,
    logical_not as logical_not,
    negative as negative,
    positive as positive,
    right_shift as right_shift,
    sign as sign,
    square as square,
    trunc as trunc,
)

ndarray = Array
abs = _ufuncs.abs_
pi = _numpy.pi
e = _numpy.e
euler_gamma = _numpy.euler_gamma
inf = _numpy.inf
nan = _numpy.nan
newaxis = None
get_printoptions = _numpy.get_printoptions
printoptions = _numpy.printoptions
set_printoptions = _numpy.set_printoptions
ComplexWarning = _numpy.exceptions.ComplexWarning

for _name in (*_ufuncs.unary_names, *_ufuncs.binary_names):
    globals()[_name] = getattr(_ufuncs, _name)
globals().update(_scalar_types.SCALARS)
globals().update(_scalar_types.ABSTRACT)

atan2 = _ufuncs.arctan2
pow = power
divide = _ufuncs.true_divide
bitwise_not = bitwise_invert = _ufuncs.invert
bitwise_left_shift = _ufuncs.left_shift
bitwise_right_shift = right_shift

from . import dispatch as _dispatch  # noqa: E402, F401  (last: it asks this module by name)
