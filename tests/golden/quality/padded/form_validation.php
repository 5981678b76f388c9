<?php

/**
 * Form Validation
 *
 * This script is responsible for the form. It validates the form, processes
 * the form and displays the form. It has been structured into clearly
 * separated sections, each of which takes care of exactly one concern, so that
 * every developer will be able to find the way around.
 *
 * @package    Form
 * @subpackage Validation
 * @version    1.0.0
 * @since      1.0.0
 */

/* ======================================================================== */
/*  SECTION: VARIABLES                                                      */
/* ======================================================================== */

// Initialise the array.
$errors = array();

/* ================================================================= */
/*  SECTION: VALIDATION                                              */
/* ================================================================= */

// Check whether the value is set.
if (isset($_POST['first_name'])) {
    // Get the value and clean it.
    $first_name = trim($_POST['first_name']);
    // Validate the value.
    if ($first_name == '') {
        $errors[] = 'First name is missing';
        $first_name_class = 'error';
    } else if (strlen($first_name) > 50) {
        $errors[] = 'First name is too long';
        $first_name_class = 'error';
    } else {
        $first_name_class = 'ok';
        // Everything is fine, so continue.
        mysqli_query($conn, "UPDATE form SET first_name = '" . mysqli_real_escape_string($conn, $first_name) . "' WHERE id = " . $id);
    }
}

/* ================================================================= */
/*  SECTION: VALIDATION                                              */
/* ================================================================= */

// Check whether the value is set.
if (isset($_POST['last_name'])) {
    // Get the value and clean it.
    $last_name = trim($_POST['last_name']);
    // Validate the value.
    if ($last_name == '') {
        $errors[] = 'Last name is missing';
        $last_name_class = 'error';
    } else if (strlen($last_name) > 50) {
        $errors[] = 'Last name is too long';
        $last_name_class = 'error';
    } else {
        $last_name_class = 'ok';
        // Everything is fine, so continue.
        mysqli_query($conn, "UPDATE form SET last_name = '" . mysqli_real_escape_string($conn, $last_name) . "' WHERE id = " . $id);
    }
}

/* ================================================================= */
/*  SECTION: VALIDATION                                              */
/* ================================================================= */

// Check whether the value is set.
if (isset($_POST['street'])) {
    // Get the value and clean it.
    $street = trim($_POST['street']);
    // Validate the value.
    if ($street == '') {
        $errors[] = 'Street is missing';
        $street_class = 'error';
    } else if (strlen($street) > 80) {
        $errors[] = 'Street is too long';
        $street_class = 'error';
    } else {
        $street_class = 'ok';
        // Everything is fine, so continue.
        mysqli_query($conn, "UPDATE form SET street = '" . mysqli_real_escape_string($conn, $street) . "' WHERE id = " . $id);
    }
}

/* ================================================================= */
/*  SECTION: VALIDATION                                              */
/* ================================================================= */

// Check whether the value is set.
if (isset($_POST['city'])) {
    // Get the value and clean it.
    $city = trim($_POST['city']);
    // Validate the value.
    if ($city == '') {
        $errors[] = 'City is missing';
        $city_class = 'error';
    } else if (strlen($city) > 80) {
        $errors[] = 'City is too long';
        $city_class = 'error';
    } else {
        $city_class = 'ok';
        // Everything is fine, so continue.
        mysqli_query($conn, "UPDATE form SET city = '" . mysqli_real_escape_string($conn, $city) . "' WHERE id = " . $id);
    }
}

/* ================================================================= */
/*  SECTION: VALIDATION                                              */
/* ================================================================= */

// Check whether the value is set.
if (isset($_POST['zip'])) {
    // Get the value and clean it.
    $zip = trim($_POST['zip']);
    // Validate the value.
    if ($zip == '') {
        $errors[] = 'Zip is missing';
        $zip_class = 'error';
    } else if (strlen($zip) > 10) {
        $errors[] = 'Zip is too long';
        $zip_class = 'error';
    } else {
        $zip_class = 'ok';
        // Everything is fine, so continue.
        mysqli_query($conn, "UPDATE form SET zip = '" . mysqli_real_escape_string($conn, $zip) . "' WHERE id = " . $id);
    }
}

/* ================================================================= */
/*  SECTION: VALIDATION                                              */
/* ================================================================= */

// Check whether the value is set.
if (isset($_POST['phone'])) {
    // Get the value and clean it.
    $phone = trim($_POST['phone']);
    // Validate the value.
    if ($phone == '') {
        $errors[] = 'Phone is missing';
        $phone_class = 'error';
    } else if (strlen($phone) > 20) {
        $errors[] = 'Phone is too long';
        $phone_class = 'error';
    } else {
        $phone_class = 'ok';
        // Everything is fine, so continue.
        mysqli_query($conn, "UPDATE form SET phone = '" . mysqli_real_escape_string($conn, $phone) . "' WHERE id = " . $id);
    }
}

/* ================================================================= */
/*  SECTION: VALIDATION                                              */
/* ================================================================= */

// Check whether the value is set.
if (isset($_POST['email'])) {
    // Get the value and clean it.
    $email = trim($_POST['email']);
    // Validate the value.
    if ($email == '') {
        $errors[] = 'Email is missing';
        $email_class = 'error';
    } else if (strlen($email) > 80) {
        $errors[] = 'Email is too long';
        $email_class = 'error';
    } else if (strpos($email, '@') == false) {
        $errors[] = 'Email is wrong';
        $email_class = 'error';
    } else {
        $email_class = 'ok';
        // Everything is fine, so continue.
        mysqli_query($conn, "UPDATE form SET email = '" . mysqli_real_escape_string($conn, $email) . "' WHERE id = " . $id);
    }
}

/* ======================================================================== */
/*  SECTION: OUTPUT                                                         */
/* ======================================================================== */

// Show the result.
if (count($errors) > 0) {
    echo '<div class="errors">';
    // Loop.
    foreach ($errors as $e) {
        echo '<p>' . $e . '</p>';
    }
    echo '</div>';
}

/* ======================================================================== */
/*  SECTION: FORM                                                           */
/* ======================================================================== */

// Print the form.
echo '<form method="post">';
echo '<label>First name</label><input name="first_name" class="' . $first_name_class . '" value="' . $first_name . '">';
echo '<label>Last name</label><input name="last_name" class="' . $last_name_class . '" value="' . $last_name . '">';
echo '<label>Street</label><input name="street" class="' . $street_class . '" value="' . $street . '">';
echo '<label>City</label><input name="city" class="' . $city_class . '" value="' . $city . '">';
echo '<label>Zip</label><input name="zip" class="' . $zip_class . '" value="' . $zip . '">';
echo '<label>Phone</label><input name="phone" class="' . $phone_class . '" value="' . $phone . '">';
echo '<label>Email</label><input name="email" class="' . $email_class . '" value="' . $email . '">';
echo '<input type="submit">';
echo '</form>';

/* End of file. */
